"""DETR's and Deformable DETR's losses against transformers' (5.23.0), of random answers in float64.

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
    Answers,
    answers,
    deformable,
    detr,
    make_targets,
    padding,
    values,
)

detection = pytest.importorskip("transformers.loss.loss_for_object_detection")
deformable_detection = pytest.importorskip("transformers.loss.loss_deformable_detr")

WEIGHTS = {"loss_ce": 1.0, "loss_bbox": 5.0, "loss_giou": 2.0, "loss_mask": 1.0, "loss_dice": 1.0}
COUNTS = [(3, 1), (0, 4), (9, 2)]  # true boxes of two images; 7 queries


def detr_judge() -> Any:
    matcher = detection.HungarianMatcher(class_cost=1, bbox_cost=5, giou_cost=2)
    return detection.ImageLoss(matcher, num_classes=CLASSES, eos_coef=0.1, losses=["labels", "boxes", "masks"]).double()


def deformable_judge(*terms: str) -> Any:
    matcher = deformable_detection.DeformableDetrHungarianMatcher(class_cost=2, bbox_cost=5, giou_cost=2)
    return deformable_detection.DeformableDetrImageLoss(
        matcher, num_classes=CLASSES, focal_alpha=0.25, losses=list(terms)
    )


def labels(targets: Sequence[Targets]) -> list[dict[str, Any]]:
    return [{"class_labels": t.class_ids, "boxes": t.boxes_cxcywh, "masks": t.masks} for t in targets]


def reference(judge: Any, said: Answers, targets: Sequence[Targets], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """transformers' losses under our names, weighted."""
    layers = [{"logits": said.logits[i], "pred_boxes": said.boxes[i]} for i in range(LAYERS)]
    told = {**layers[-1], "pred_masks": said.masks, "auxiliary_outputs": layers[:-1]}
    found = judge(told, labels(targets))
    return {
        name.replace(f"_{name[-1]}", f"_aux_{name[-1]}") if name[-1].isdigit() else name: loss
        * weights[name.rstrip("_0123456789")]
        for name, loss in found.items()
    }


def assert_same(said: Answers, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert values(ours) == pytest.approx(values(theirs), rel=1e-7)
    wanted = said.gradients(theirs)
    for name, gradient in said.gradients(ours).items():
        assert (gradient - wanted[name]).abs().max() <= 1e-7 * wanted[name].abs().max(), name


@pytest.mark.parametrize("counts", COUNTS)
def test_losses_and_gradients_of_detr_with_masks_match(counts: tuple[int, ...]) -> None:
    said, targets = answers(2, classes=CLASSES + 1), make_targets(*counts)
    assert_same(said, detr()(said.outputs(), targets), reference(detr_judge(), said, targets, WEIGHTS))


@pytest.mark.parametrize("counts", COUNTS)
def test_losses_and_gradients_of_deformable_detr_match(counts: tuple[int, ...]) -> None:
    said, targets = answers(2), make_targets(*counts)
    weights = {**WEIGHTS, "loss_ce": 2.0}
    judge = deformable_judge("labels", "boxes", "masks")
    assert_same(said, deformable()(said.outputs(), targets), reference(judge, said, targets, weights))


def test_mask_losses_of_padded_images_match() -> None:
    sizes = [(24, 20), (16, 32)]
    said, targets = answers(2, classes=CLASSES + 1), make_targets(3, 2, sizes_hw=sizes)
    ours = detr()(said.outputs(mask=padding(sizes)), targets)
    assert_same(said, ours, reference(detr_judge(), said, targets, WEIGHTS))


def test_proposal_losses_are_those_of_a_single_class() -> None:
    said, targets = answers(2, masks=False, encoder=True), make_targets(3, 2)
    ours = deformable()(said.outputs(), targets)
    alike = [replace(target, class_ids=torch.zeros_like(target.class_ids)) for target in targets]
    told = {"logits": said.encoder_logits, "pred_boxes": said.encoder_boxes}
    theirs = deformable_judge("labels", "boxes")(told, labels(alike))
    weights = {**WEIGHTS, "loss_ce": 2.0}
    wanted = {f"{name}_enc": weights[name] * loss.item() for name, loss in theirs.items()}
    assert {name: loss for name, loss in values(ours).items() if name.endswith("_enc")} == pytest.approx(wanted)
