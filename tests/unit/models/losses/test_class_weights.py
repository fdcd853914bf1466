"""Weights of classes in the classification losses of each family, against formulas written out in float64."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.models.dfine import FAMILY as DFINE
from detcli.models.family import ClassWeighted
from detcli.models.losses.loss_terms import cross_entropy, focal, varifocal
from detcli.models.losses.training_details import SetTrainingDetails
from detcli.models.rtdetr import FAMILY as RTDETR
from detcli.structures.boxes import cxcywh_to_xyxy, iou
from detcli.structures.network_io import Outputs, Targets
from tests.helpers import dfine_samples, rtdetr_samples
from tests.helpers.dfine_samples import images
from tests.helpers.set_predictions import CLASSES, deformable, detr, make_targets, random_predictions

WEIGHTS = [0.5, 3.0, 1.0, 7.0, 0.25]
PAIRS = {2: 1, 0: 3, 3: 1}  # query -> class


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def places() -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros(1, 1, dtype=torch.int64), torch.tensor([list(PAIRS)]), torch.tensor([list(PAIRS.values())])


def sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number))


def cross(logit: float, target: float) -> float:
    """Binary cross-entropy."""
    return -target * math.log(sigmoid(logit)) - (1 - target) * math.log(sigmoid(-logit))


def varifocal_formula(rows: list[list[float]], pairs: dict[int, tuple[int, float]], weights: Sequence[float]) -> float:
    """Of logits by query and class; pairs: query -> class and quality."""
    total = 0.0
    for query, row in enumerate(rows):
        class_id, quality = pairs.get(query, (-1, 0.0))
        for index, logit in enumerate(row):
            if index == class_id:
                total += weights[index] * quality * cross(logit, quality)
            else:
                total += 0.75 * sigmoid(logit) ** 2 * cross(logit, 0)
    return total


def focal_formula(rows: list[list[float]], pairs: dict[int, int], weights: Sequence[float]) -> float:
    total = 0.0
    for query, row in enumerate(rows):
        for index, logit in enumerate(row):
            if pairs.get(query) == index:
                total += weights[index] * 0.25 * sigmoid(-logit) ** 2 * cross(logit, 1)
            else:
                total += 0.75 * sigmoid(logit) ** 2 * cross(logit, 0)
    return total


def softmax_formula(rows: list[list[float]], pairs: dict[int, int], weights: Sequence[float]) -> tuple[float, float]:
    """The sum, and the sum of the weights; the last logit means no object, whose weight is 0.1."""
    total = weight_sum = 0.0
    for query, row in enumerate(rows):
        class_id = pairs.get(query, len(row) - 1)
        weight = weights[class_id] if query in pairs else 0.1
        total -= weight * (row[class_id] - math.log(sum(math.exp(logit) for logit in row)))
        weight_sum += weight
    return total, weight_sum


def test_the_terms_equal_their_formulas_with_weights() -> None:
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    logits, quality = 2 * draw(1, 4, 5), torch.tensor([[0.9, 0.2, 0.6]], dtype=torch.float64)
    pairs = {query: (label, value) for (query, label), value in zip(PAIRS.items(), quality[0].tolist(), strict=True)}
    expected = varifocal_formula(logits[0].tolist(), pairs, WEIGHTS)
    assert varifocal(logits, places(), quality, class_weights=weights).item() == pytest.approx(expected, rel=1e-12)
    expected = focal_formula(logits[0].tolist(), PAIRS, WEIGHTS)
    assert focal(logits, places(), class_weights=weights).item() == pytest.approx(expected, rel=1e-12)
    logits = 2 * draw(1, 4, 6)
    expected, _ = softmax_formula(logits[0].tolist(), PAIRS, WEIGHTS)
    found = cross_entropy(logits, places(), no_object_weight=0.1, class_weights=weights)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_terms_that_are_computed_in_parts_have_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, logits = torch.tensor(WEIGHTS, dtype=torch.float64), draw(1, 4, 5)
    quality = torch.tensor([[0.9, 0.2, 0.6]], dtype=torch.float64)

    def losses() -> list[float]:
        return [
            varifocal(logits, places(), quality, class_weights=weights).item(),
            focal(logits, places(), class_weights=weights).item(),
        ]

    at_once = losses()
    monkeypatch.setattr("detcli.models.losses.loss_terms._MAX_SCORES", 5)
    assert losses() == pytest.approx(at_once, rel=1e-12)


def one_box_each(labels: Sequence[int]) -> list[Targets]:
    """A target with one box for each label, so that the only query is assigned to it."""
    boxes = 0.3 + 0.3 * draw(len(labels), 1, 4, seed=4).sigmoid()
    return [
        Targets(torch.tensor([label]), box, seed) for seed, (label, box) in enumerate(zip(labels, boxes, strict=True))
    ]


LABELS = [1, 3, 3]


def weighted(criterion: Any) -> Any:
    assert isinstance(criterion, ClassWeighted)
    criterion.class_weights = torch.tensor(WEIGHTS)
    return criterion


def test_detr_is_a_mean_weighted_by_classes_and_no_object() -> None:
    logits, targets = draw(1, 3, 2, CLASSES + 1), one_box_each(LABELS)
    boxes = torch.stack([torch.cat((target.boxes_cxcywh, torch.full((1, 4), 0.9))) for target in targets])[None]
    found = weighted(detr())(Outputs(logits[0], boxes[0], SetTrainingDetails(logits, boxes)), targets)
    parts = [softmax_formula(logits[0, image].tolist(), {0: label}, WEIGHTS) for image, label in enumerate(LABELS)]
    total, weight_sum = (sum(part) for part in zip(*parts, strict=True))
    assert found["loss_ce"].item() == pytest.approx(total / weight_sum, rel=1e-9)


def test_deformable_detr_weighs_its_layers_but_not_its_proposals() -> None:
    logits, targets = draw(2, 3, 1, CLASSES), one_box_each(LABELS)
    boxes, proposals = draw(2, 3, 1, 4, seed=1).sigmoid(), draw(3, 1, CLASSES, seed=2)
    details = SetTrainingDetails(logits, boxes, encoder_logits=proposals, encoder_boxes_cxcywh=boxes[0])
    found = weighted(deformable())(Outputs(logits[-1], boxes[-1], details), targets)
    for layer, name in ((0, "loss_ce_aux_0"), (1, "loss_ce")):
        sums = [focal_formula(logits[layer, i].tolist(), {0: label}, WEIGHTS) for i, label in enumerate(LABELS)]
        assert found[name].item() == pytest.approx(2 * sum(sums) / 3, rel=1e-6)
    sums = [focal_formula(proposals[image].tolist(), {0: 0}, [1.0] * CLASSES) for image in range(3)]
    assert found["loss_ce_enc"].item() == pytest.approx(2 * sum(sums) / 3, rel=1e-6)


@pytest.mark.parametrize("family", ["dfine", "rtdetr"])
def test_varifocal_families_weigh_layers_encoder_and_denoising(family: str) -> None:
    samples, made = (dfine_samples, DFINE) if family == "dfine" else (rtdetr_samples, RTDETR)
    config = samples.tiny(num_queries=1, num_denoising=2)  # type: ignore[attr-defined]
    network: Any = samples.random_network(config).double().train()  # type: ignore[attr-defined]
    targets = one_box_each(LABELS)
    outputs = network(images(3, 64, 64), targets=targets)
    losses, details = weighted(made.criterion(config))(outputs, targets), outputs.details
    layers = {"_enc_0": (details.encoder_logits, details.encoder_boxes)}
    last = len(details.predictions.logits) - 1
    denoised = {}
    for number, one in enumerate(zip(details.predictions.logits, details.predictions.boxes_cxcywh, strict=True)):
        if family == "dfine":
            layers["_pre" if number == 0 else "" if number == last else f"_aux_{number - 1}"] = one
        else:
            layers["" if number == last else f"_aux_{number}"] = one
    for number, one in enumerate(zip(details.denoising.logits, details.denoising.boxes_cxcywh, strict=True)):
        denoised["_dn_pre" if family == "dfine" and number == 0 else f"_dn_{number - (family == 'dfine')}"] = one
    groups, width = details.layout.groups, details.layout.queries
    positives = [divmod(query, width) for query in details.layout.positives().queries.tolist()]
    for ending, (logits, boxes) in (layers | denoised).items():
        total = 0.0
        for image, target in enumerate(targets):
            own = [query for position, query in positives if position == image] if ending in denoised else [0]
            true = cxcywh_to_xyxy(target.boxes_cxcywh)
            quality = {q: iou(cxcywh_to_xyxy(boxes[image, q : q + 1]), true).item() for q in own}
            known = {query: (LABELS[image], value) for query, value in quality.items()}
            total += varifocal_formula(logits[image].tolist(), known, WEIGHTS)
        divisor = 3 * groups if ending in denoised else 3
        assert losses[f"loss_vfl{ending}"].item() == pytest.approx(total / divisor, rel=1e-6), ending


@pytest.mark.parametrize("family", ["dfine", "rtdetr", "detr", "deformable"])
def test_weights_of_one_give_the_same_bytes(family: str) -> None:
    def losses_and_gradients(*, ones: bool) -> dict[str, Tensor]:
        if family in ("detr", "deformable"):
            criterion: Any = detr() if family == "detr" else deformable()
            classes = CLASSES + (family == "detr")
            predictions = random_predictions(2, classes=classes, encoder=family != "detr", seed=1)
            outputs, targets = predictions.outputs(), make_targets(4, 2)
            leaves = {name: leaf for name, leaf in vars(predictions).items() if leaf is not None}
        else:
            samples, made = (dfine_samples, DFINE) if family == "dfine" else (rtdetr_samples, RTDETR)
            config = samples.tiny()  # type: ignore[attr-defined]
            network: Any = samples.random_network(config).train()  # type: ignore[attr-defined]
            targets = [Targets(one.class_ids, one.boxes_cxcywh.float(), 3) for one in make_targets(4, 2, masks=False)]
            outputs, criterion = network(images(2, 64, 64).float(), targets=targets), made.criterion(config)
            leaves = {name: leaf for name, leaf in network.named_parameters() if leaf.requires_grad}
        if ones:
            criterion.class_weights = torch.ones(CLASSES)
        losses = criterion(outputs, targets)
        total = torch.stack(list(losses.values())).sum()
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        return losses | {name: one for name, one in zip(leaves, gradients, strict=True) if one is not None}

    torch.set_num_threads(1)
    plain, ones = losses_and_gradients(ones=False), losses_and_gradients(ones=True)
    assert plain.keys() == ones.keys()
    assert all(torch.equal(plain[name], ones[name]) for name in plain)
