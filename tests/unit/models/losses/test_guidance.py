"""The losses of a network beside its teacher's predictions: against loops over tokens and queries, and at their minimum."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from detcli.models.losses.guidance import GuidedPredictions, TeacherPredictions, guidance_losses
from detcli.structures.boxes import cxcywh_to_xyxy, pairwise_giou

IMAGES, TOKENS, QUERIES, CLASSES, LAYERS = 2, 7, 3, 4, 2


def boxes(*shape: int) -> Tensor:
    return torch.cat((0.3 + 0.4 * torch.rand(*shape, 2), 0.1 + 0.4 * torch.rand(*shape, 2)), dim=-1).double()


@pytest.fixture
def guided() -> GuidedPredictions:
    torch.manual_seed(0)
    return GuidedPredictions(
        torch.randn(IMAGES, TOKENS, CLASSES).double(),
        boxes(IMAGES, TOKENS),
        torch.randn(LAYERS, IMAGES, QUERIES, CLASSES).double(),
        boxes(LAYERS, IMAGES, QUERIES),
    )


@pytest.fixture
def teacher() -> TeacherPredictions:
    torch.manual_seed(1)
    scores = torch.rand(IMAGES, TOKENS, CLASSES).double()
    scores[:, 2:4] = 0.01  # nothing is there, so the boxes do not count
    indices = torch.stack([torch.randperm(TOKENS)[:QUERIES] for _ in range(IMAGES)])
    queries = torch.rand(IMAGES, QUERIES, CLASSES).double()
    return TeacherPredictions(scores, boxes(IMAGES, TOKENS), indices, queries, boxes(IMAGES, QUERIES))


def class_loss(logit: float, target: float) -> float:
    score = 1 / (1 + math.exp(-logit))
    return (target - score) ** 2 * -(target * math.log(score) + (1 - target) * math.log(1 - score))


def box_loss(own: Tensor, target: Tensor) -> float:
    giou = pairwise_giou(cxcywh_to_xyxy(own[None]), cxcywh_to_xyxy(target[None]))
    return float(5 * (own - target).abs().sum() + 2 * (1 - giou))


def expected(logits: Tensor, own: Tensor, scores: Tensor, targets: Tensor, *, least: float) -> tuple[float, float]:
    """The losses of classes and of boxes, with loops."""
    classes = located = total = 0.0
    for image in range(IMAGES):
        for place in range(scores.shape[1]):
            best = float(scores[image, place].max())
            total += best
            classes += sum(
                class_loss(float(logit), float(score))
                for logit, score in zip(logits[image, place], scores[image, place], strict=True)
            )
            located += best * box_loss(own[image, place], targets[image, place]) if best > least else 0.0
    return classes / total, located / total


def test_losses_are_those_of_loops(guided: GuidedPredictions, teacher: TeacherPredictions) -> None:
    losses = guidance_losses(guided, teacher)
    tokens = expected(guided.token_logits, guided.token_boxes, teacher.token_scores, teacher.token_boxes, least=0.02)
    assert [float(losses["loss_teacher_tokens"]), float(losses["loss_teacher_token_boxes"])] == pytest.approx(tokens)
    for layer in range(LAYERS):
        queries = expected(guided.logits[layer], guided.boxes[layer], teacher.scores, teacher.boxes, least=0.0)
        found = losses[f"loss_teacher_classes_{layer}"], losses[f"loss_teacher_boxes_{layer}"]
        assert [float(loss) for loss in found] == pytest.approx(queries)
    assert len(losses) == 2 + 2 * LAYERS


def test_a_network_that_predicts_what_its_teacher_does_has_no_loss(teacher: TeacherPredictions) -> None:
    same = GuidedPredictions(
        torch.logit(teacher.token_scores), teacher.token_boxes, torch.logit(teacher.scores)[None], teacher.boxes[None]
    )
    assert [float(loss) for loss in guidance_losses(same, teacher).values()] == pytest.approx([0.0] * 4, abs=1e-12)


def test_fewer_queries_are_compared_with_the_best_of_the_teacher(
    guided: GuidedPredictions, teacher: TeacherPredictions
) -> None:
    fewer = replace(guided, logits=guided.logits[:, :, :2], boxes=guided.boxes[:, :, :2])
    best = replace(teacher, scores=teacher.scores[:, :2], boxes=teacher.boxes[:, :2])
    assert guidance_losses(fewer, teacher) == guidance_losses(fewer, best)


def test_a_teacher_that_sees_nothing_gives_finite_losses(
    guided: GuidedPredictions, teacher: TeacherPredictions
) -> None:
    nothing = replace(
        teacher, token_scores=torch.zeros_like(teacher.token_scores), scores=torch.zeros_like(teacher.scores)
    )
    losses = guidance_losses(guided, nothing)
    assert all(math.isfinite(float(loss)) for loss in losses.values())
    assert float(losses["loss_teacher_token_boxes"]) == 0
