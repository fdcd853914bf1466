"""The losses of a network that learns from a trained one, its teacher, beside the ground truth.

Both networks predict a class and a box for each token of the encoder, on the same grid. The one that learns also decodes
queries from the tokens that the teacher selected, so that both predict the same objects, query by query, and nothing is
matched. Where the teacher is sure that there is nothing, boxes do not count.

Sources: distillation points that both networks share, KD-DETR (Wang et al. 2022); soft targets of classes, quality focal
loss (Li et al. 2020), equation 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from detcli.models.layers.query_selection import SelectedQueries, Shapes
from detcli.models.losses.loss_terms import box_terms
from detcli.models.losses.target_boxes import at_least_one, shared_mean

_LOWEST_SCORE = 0.02  # of a token whose box is learned
_L1_WEIGHT, _GIOU_WEIGHT = 5.0, 2.0  # as for the ground truth


@dataclass(frozen=True, slots=True)
class GuidedPredictions:
    """Predictions of the network that learns, in float32 at least.

    token_logits  [B, S, K] of every token
    token_boxes   [B, S, 4] of every token, center and size
    logits        [A, B, G, K] of A predictions, one after the other, for queries that start from the teacher's tokens
    boxes         [A, B, G, 4] likewise
    """

    token_logits: Tensor
    token_boxes: Tensor
    logits: Tensor
    boxes: Tensor


@dataclass(frozen=True, slots=True)
class TeacherPredictions:
    """Predictions of the teacher, without gradients, for the classes of the network that learns.

    token_scores  [B, S, K] of every token, from 0 to 1
    token_boxes   [B, S, 4] of every token, center and size
    indices       int64 [B, G] the tokens that its queries start from, best first
    scores        [B, G, K] of its queries, after the last layer
    boxes         [B, G, 4] likewise
    """

    token_scores: Tensor
    token_boxes: Tensor
    indices: Tensor
    scores: Tensor
    boxes: Tensor


class DecoderOutput(Protocol):
    """What a decoder returns: lists with one item for each prediction.

    logits        [B, G, K]
    boxes_cxcywh  [B, G, 4]
    """

    logits: list[Tensor]
    boxes_cxcywh: list[Tensor]


def guided_predictions(
    decoder: Callable[..., DecoderOutput], selected: SelectedQueries, tokens: Tensor, shapes_hw: Shapes
) -> GuidedPredictions | None:
    """Decode the queries of a guide, without the others; None without a guide.

    tokens, shapes_hw  as the decoder takes them
    """
    if selected.guided is None or selected.all_logits is None or selected.all_boxes is None:
        return None
    queries, references = selected.guided
    decoded = decoder(queries, references.detach(), tokens, shapes_hw, every_layer=True)
    exact = torch.promote_types(references.dtype, torch.float32)
    return GuidedPredictions(
        selected.all_logits.to(exact),
        selected.all_boxes.to(exact).sigmoid(),
        torch.stack(decoded.logits).to(exact),
        torch.stack(decoded.boxes_cxcywh).to(exact),
    )


def guidance_losses(guided: GuidedPredictions, teacher: TeacherPredictions) -> dict[str, Tensor]:
    """Every loss by its name: `loss_teacher_tokens`, `loss_teacher_token_boxes`, `loss_teacher_classes_0` ….

    Each is divided by the sum of the teacher's best scores, of tokens or queries, as a mean over all processes.
    """
    token_best = teacher.token_scores.amax(-1)
    tokens = _divisor(token_best)
    weights = torch.where(token_best > _LOWEST_SCORE, token_best, 0.0)
    losses = {
        "loss_teacher_tokens": quality_focal(guided.token_logits, teacher.token_scores).sum() / tokens,
        "loss_teacher_token_boxes": _box_loss(guided.token_boxes, teacher.token_boxes, weights) / tokens,
    }
    count = guided.logits.shape[2]
    scores, boxes = teacher.scores[:, :count], teacher.boxes[:, :count]
    best = scores.amax(-1)
    queries = _divisor(best)
    for layer, (logits, own) in enumerate(zip(guided.logits, guided.boxes, strict=True)):
        losses[f"loss_teacher_classes_{layer}"] = quality_focal(logits, scores).sum() / queries
        losses[f"loss_teacher_boxes_{layer}"] = _box_loss(own, boxes, best) / queries
    return losses


def quality_focal(logits: Tensor, targets: Tensor) -> Tensor:
    """Quality focal loss of each logit, before sigmoid, for targets from 0 to 1 in the same shape; its exponent is 2.

    Source: Generalized Focal Loss (Li et al. 2020), equation 2.
    """
    distance = (targets - logits.sigmoid()).abs()
    return distance**2 * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def _box_loss(boxes: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    l1_loss, giou_loss, _ = box_terms(boxes, targets)
    return (weights * (_L1_WEIGHT * l1_loss + _GIOU_WEIGHT * giou_loss)).sum()


def _divisor(best_scores: Tensor) -> Tensor:
    return at_least_one(shared_mean(best_scores.sum()))
