"""DETR's and Deformable DETR's losses against those of transformers 5.23.0, for random predictions in float64.

transformers weighs Deformable DETR's classes 1 where the original has 2: here its matcher is given the original's cost,
and its losses the original's weights. It has no losses of the encoder's proposals: these are what its criterion says of
them, given one class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.structures.network_io import Targets
from tests.helpers.set_predictions import (
    CLASSES,
    LAYERS,
    Predictions,
    deformable,
    detr,
    make_targets,
    padding,
    random_predictions,
    values,
)

detection = pytest.importorskip("transformers.loss.loss_for_object_detection")
deformable_detection = pytest.importorskip("transformers.loss.loss_deformable_detr")

WEIGHTS = {"loss_ce": 1.0, "loss_bbox": 5.0, "loss_giou": 2.0, "loss_mask": 1.0, "loss_dice": 1.0}
COUNTS = [(3, 1), (0, 4), (9, 2)]  # ground-truth boxes of two images; 7 queries


def detr_reference() -> Any:
    matcher = detection.HungarianMatcher(class_cost=1, bbox_cost=5, giou_cost=2)
    return detection.ImageLoss(matcher, num_classes=CLASSES, eos_coef=0.1, losses=["labels", "boxes", "masks"]).double()


def deformable_reference(*terms: str) -> Any:
    matcher = deformable_detection.DeformableDetrHungarianMatcher(class_cost=2, bbox_cost=5, giou_cost=2)
    return deformable_detection.DeformableDetrImageLoss(
        matcher, num_classes=CLASSES, focal_alpha=0.25, losses=list(terms)
    )


def labels(targets: Sequence[Targets]) -> list[dict[str, Any]]:
    return [{"class_labels": t.class_ids, "boxes": t.boxes_cxcywh, "masks": t.masks} for t in targets]


def reference(
    make_criterion: Any, predictions: Predictions, targets: Sequence[Targets], weights: Mapping[str, float]
) -> dict[str, Tensor]:
    """transformers' losses under our names, weighted."""
    layers = [{"logits": predictions.logits[i], "pred_boxes": predictions.boxes[i]} for i in range(LAYERS)]
    told = {**layers[-1], "pred_masks": predictions.masks, "auxiliary_outputs": layers[:-1]}
    found = make_criterion(told, labels(targets))
    return {
        name.replace(f"_{name[-1]}", f"_aux_{name[-1]}") if name[-1].isdigit() else name: loss
        * weights[name.rstrip("_0123456789")]
        for name, loss in found.items()
    }


def assert_same(predictions: Predictions, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert values(ours) == pytest.approx(values(theirs), rel=1e-7)
    expected = predictions.gradients(theirs)
    for name, gradient in predictions.gradients(ours).items():
        assert (gradient - expected[name]).abs().max() <= 1e-7 * expected[name].abs().max(), name


@pytest.mark.parametrize("counts", COUNTS)
def test_losses_and_gradients_of_detr_with_masks_match(counts: tuple[int, ...]) -> None:
    predictions, targets = random_predictions(2, classes=CLASSES + 1), make_targets(*counts)
    assert_same(
        predictions, detr()(predictions.outputs(), targets), reference(detr_reference(), predictions, targets, WEIGHTS)
    )


@pytest.mark.parametrize("counts", COUNTS)
def test_losses_and_gradients_of_deformable_detr_match(counts: tuple[int, ...]) -> None:
    predictions, targets = random_predictions(2), make_targets(*counts)
    weights = {**WEIGHTS, "loss_ce": 2.0}
    make_criterion = deformable_reference("labels", "boxes", "masks")
    assert_same(
        predictions,
        deformable()(predictions.outputs(), targets),
        reference(make_criterion, predictions, targets, weights),
    )


def test_mask_losses_of_padded_images_match() -> None:
    sizes = [(24, 20), (16, 32)]
    predictions, targets = random_predictions(2, classes=CLASSES + 1), make_targets(3, 2, sizes_hw=sizes)
    ours = detr()(predictions.outputs(mask=padding(sizes)), targets)
    assert_same(predictions, ours, reference(detr_reference(), predictions, targets, WEIGHTS))


def test_proposal_losses_are_those_of_a_single_class() -> None:
    predictions, targets = random_predictions(2, masks=False, encoder=True), make_targets(3, 2)
    ours = deformable()(predictions.outputs(), targets)
    alike = [replace(target, class_ids=torch.zeros_like(target.class_ids)) for target in targets]
    told = {"logits": predictions.encoder_logits, "pred_boxes": predictions.encoder_boxes}
    theirs = deformable_reference("labels", "boxes")(told, labels(alike))
    weights = {**WEIGHTS, "loss_ce": 2.0}
    expected = {f"{name}_enc": weights[name] * loss.item() for name, loss in theirs.items()}
    assert {name: loss for name, loss in values(ours).items() if name.endswith("_enc")} == pytest.approx(expected)
