"""Properties of DETR's and Deformable DETR's criteria."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import multiprocessing

from detcli.errors import DivergedError
from detcli.models.losses.assignment import CostWeights
from detcli.models.losses.layerwise_criterion import LayerwiseCriterion, SetLossWeights
from detcli.models.losses.training_details import SetTrainingDetails
from detcli.structures.network_io import Outputs, Targets
from tests.helpers.set_predictions import (
    CLASSES,
    Predictions,
    deformable,
    detr,
    make_targets,
    padding,
    random_predictions,
    shared_case,
    values,
    work,
)

BOTH: Any = pytest.mark.parametrize(("make_criterion", "classes"), [(detr, CLASSES + 1), (deformable, CLASSES)])
CriterionFactory = Callable[..., LayerwiseCriterion]


@BOTH
def test_every_layer_the_proposals_and_the_masks_have_losses_by_name(
    make_criterion: CriterionFactory, classes: int
) -> None:
    losses = make_criterion()(random_predictions(2, classes=classes, encoder=True).outputs(), make_targets(3, 1))
    terms, layers = ("loss_ce", "loss_bbox", "loss_giou"), ("", "_aux_0", "_aux_1", "_enc")
    assert losses.keys() == {f"{term}{layer}" for term in terms for layer in layers} | {"loss_mask", "loss_dice"}
    assert all(loss.shape == () and loss > 0 for loss in losses.values())


@BOTH
def test_a_single_layer_without_masks_has_three_losses(make_criterion: CriterionFactory, classes: int) -> None:
    predictions = random_predictions(2, classes=classes, masks=False)
    alone = SetTrainingDetails(predictions.logits[-1:], predictions.boxes[-1:])
    targets = make_targets(3, 1)
    losses = make_criterion()(Outputs(predictions.logits[-1], predictions.boxes[-1], alone), targets)
    everything = make_criterion()(predictions.outputs(), targets)
    assert losses.keys() == {"loss_ce", "loss_bbox", "loss_giou"}
    assert values(losses) == {name: everything[name].item() for name in losses}  # layers are independent


@BOTH
def test_a_batch_without_boxes_has_only_class_losses(make_criterion: CriterionFactory, classes: int) -> None:
    predictions = random_predictions(2, classes=classes, encoder=True)
    losses = make_criterion()(predictions.outputs(), make_targets(0, 0))
    of_classes = {"loss_ce", "loss_ce_aux_0", "loss_ce_aux_1", "loss_ce_enc"}
    assert {name for name, loss in losses.items() if loss > 0} == of_classes
    assert not any(loss for name, loss in values(losses).items() if name not in of_classes)
    assert all(gradient.isfinite().all() for gradient in predictions.gradients(losses).values())


@BOTH
def test_more_boxes_than_queries_use_all_queries(make_criterion: CriterionFactory, classes: int) -> None:
    predictions = random_predictions(2, classes=classes, encoder=True)
    losses = make_criterion()(predictions.outputs(), make_targets(40, 2))
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())
    assert all(gradient.isfinite().all() for gradient in predictions.gradients(losses).values())


@BOTH
def test_the_order_of_images_does_not_matter(make_criterion: CriterionFactory, classes: int) -> None:
    predictions, targets = random_predictions(3, classes=classes, encoder=True), make_targets(3, 0, 2)
    turned = Predictions(
        predictions.logits.flip(1),
        predictions.boxes.flip(1),
        *(
            None if other is None else other.flip(0)
            for other in (predictions.masks, predictions.encoder_logits, predictions.encoder_boxes)
        ),
    )
    losses = make_criterion()(turned.outputs(), targets[::-1])
    assert values(losses) == pytest.approx(values(make_criterion()(predictions.outputs(), targets)), rel=1e-12)


@BOTH
def test_the_order_of_boxes_does_not_matter(make_criterion: CriterionFactory, classes: int) -> None:
    predictions, [first, second] = random_predictions(2, classes=classes), make_targets(4, 2)
    assert first.masks is not None
    turned = Targets(first.class_ids.flip(0), first.boxes_cxcywh.flip(0), masks=first.masks.flip(0))
    losses = make_criterion()(predictions.outputs(), [turned, second])
    assert values(losses) == pytest.approx(values(make_criterion()(predictions.outputs(), [first, second])), rel=1e-12)


@BOTH
def test_correct_predictions_have_almost_no_loss(make_criterion: CriterionFactory, classes: int) -> None:
    targets = make_targets(3, 2)
    logits, boxes = torch.full((1, 2, 4, classes), -40.0), torch.full((1, 2, 4, 4), 0.5)
    masks = torch.full((2, 4, 24, 32), -40.0)
    if make_criterion is detr:
        logits[..., -1] = 0  # no object, unless:
    for image, target in enumerate(targets):
        assert target.masks is not None
        for place, label in enumerate(target.class_ids.tolist()):
            logits[0, image, 3 - place, label] = 40
            boxes[0, image, 3 - place] = target.boxes_cxcywh[place]
            masks[image, 3 - place][target.masks[place]] = 40
    losses = make_criterion()(Outputs(logits[-1], boxes[-1], SetTrainingDetails(logits, boxes, masks)), targets)
    assert values(losses) == pytest.approx(dict.fromkeys(losses, 0.0), abs=1e-4)


@BOTH
def test_losses_are_float32_for_half_precision_and_autocast(make_criterion: CriterionFactory, classes: int) -> None:
    predictions, targets = random_predictions(2, classes=classes, encoder=True), make_targets(3, 1)
    exact = make_criterion()(predictions.outputs(), targets)
    details = predictions.outputs().details
    assert isinstance(details, SetTrainingDetails)
    halves = SetTrainingDetails(
        *(None if tensor is None else tensor.bfloat16() for tensor in (details.logits, details.boxes_cxcywh)),  # type: ignore[arg-type]
        *(
            None if tensor is None else tensor.bfloat16()
            for tensor in (details.masks, details.encoder_logits, details.encoder_boxes_cxcywh)
        ),
    )
    with torch.autocast("cpu", torch.bfloat16):
        losses = make_criterion()(Outputs(halves.logits[-1], halves.boxes_cxcywh[-1], halves), targets)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert sum(values(losses).values()) == pytest.approx(sum(values(exact).values()), rel=0.02)


@BOTH
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_predictions_stop_training_and_name_the_layer(
    make_criterion: CriterionFactory, classes: int, value: float
) -> None:
    predictions = random_predictions(2, classes=classes)
    with torch.no_grad():
        predictions.boxes[1, 1, 3, 2] = value
    with pytest.raises(DivergedError, match=r"predictions of decoder layer 1 are not finite \(image 2"):
        make_criterion()(predictions.outputs(), make_targets(2, 2))


def test_a_non_finite_proposal_names_the_encoder() -> None:
    predictions = random_predictions(2, encoder=True)
    assert predictions.encoder_logits is not None
    with torch.no_grad():
        predictions.encoder_logits[0, 5, 0] = math.nan
    with pytest.raises(DivergedError, match="predictions of the encoder are"):
        deformable()(predictions.outputs(), make_targets(2, 2))


def test_outputs_without_training_details_are_rejected() -> None:
    with pytest.raises(TypeError, match="no training details"):
        detr()(replace(random_predictions(1, classes=CLASSES + 1).outputs(), details=None), make_targets(1))


def test_weights_come_from_the_configuration() -> None:
    assert detr().weights == SetLossWeights(ce=1, bbox=5, giou=2, mask=1, dice=1)
    assert detr().cost_weights == CostWeights(label=1, l1=5, giou=2)
    assert deformable().weights == SetLossWeights(ce=2, bbox=5, giou=2, mask=1, dice=1)
    assert deformable().cost_weights == CostWeights(label=2, l1=5, giou=2)  # where the configuration says 1
    assert deformable(class_cost=3, bbox_cost=4, giou_cost=6).cost_weights == CostWeights(label=3, l1=4, giou=6)
    assert detr(class_cost=3, bbox_cost=4, giou_cost=6).cost_weights == CostWeights(label=3, l1=4, giou=6)


@BOTH
@pytest.mark.parametrize("term", ["bbox", "giou", "mask", "dice"])
def test_a_coefficient_multiplies_only_its_losses(make_criterion: CriterionFactory, classes: int, term: str) -> None:
    predictions, targets = random_predictions(2, classes=classes, encoder=True), make_targets(3, 1)
    before = getattr(make_criterion().weights, term)
    losses = make_criterion(**{f"{term}_loss_coefficient": 3 * before})(predictions.outputs(), targets)
    expected = {
        name: loss * (3 if name.startswith(f"loss_{term}") else 1)
        for name, loss in values(make_criterion()(predictions.outputs(), targets)).items()
    }
    assert values(losses) == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_is_a_weighted_mean() -> None:
    """Manual calculation: one image, one box, three queries, the middle one of which is on the box."""
    target = Targets(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.2, 0.2]]))
    boxes = torch.tensor([[0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0.2, 0.2], [0.9, 0.9, 0.1, 0.1]])[None, None]
    chances = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.7, 0.2], [0.3, 0.3, 0.4]])[None, None]
    losses = detr()(Outputs(chances[0].log(), boxes[0], SetTrainingDetails(chances.log(), boxes)), [target])
    expected = (0.1 * -math.log(0.5) + 1.0 * -math.log(0.7) + 0.1 * -math.log(0.4)) / 1.2
    assert losses["loss_ce"].item() == pytest.approx(expected)
    assert losses["loss_bbox"].item() == losses["loss_giou"].item() == pytest.approx(0, abs=1e-6)


def test_the_no_object_weight_may_be_zero() -> None:
    predictions = random_predictions(2, classes=CLASSES + 1)
    losses = detr(eos_coefficient=0)(predictions.outputs(), make_targets(0, 0))
    assert losses["loss_ce"].item() == 0
    assert all(gradient.isfinite().all() for gradient in predictions.gradients(losses).values())


def test_the_focal_term_is_summed_over_queries_and_divided_by_boxes() -> None:
    """Manual calculation: two boxes, each with its query, and one class; all probabilities are 1/2."""
    target = Targets(torch.tensor([0, 0]), torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.7, 0.7, 0.2, 0.2]]))
    boxes = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.7, 0.7, 0.2, 0.2], [0.5, 0.1, 0.1, 0.1]])[None, None]
    logits = torch.zeros(1, 1, 3, 1)
    losses = deformable()(Outputs(logits[0], boxes[0], SetTrainingDetails(logits, boxes)), [target])
    right, wrong = 0.25 * 0.25 * math.log(2), 0.75 * 0.25 * math.log(2)
    assert losses["loss_ce"].item() == pytest.approx(2 * (2 * right + wrong) / 2)


def test_proposals_are_trained_with_the_first_class() -> None:
    """Manual calculation: the proposal on the box has a high score of class 0, and the box is of class 2."""
    target = Targets(torch.tensor([2]), torch.tensor([[0.5, 0.5, 0.2, 0.2]]))
    predictions = random_predictions(1, classes=3, masks=False)
    proposed = torch.tensor([[[0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0.2, 0.2]]], dtype=torch.float64)
    sure = torch.full((1, 2, 3), -30.0, dtype=torch.float64)
    sure[0, 1, 0] = 30
    right = deformable()(replace(predictions, encoder_logits=sure, encoder_boxes=proposed).outputs(), [target])
    assert right["loss_ce_enc"].item() == pytest.approx(0, abs=1e-9)
    assert right["loss_bbox_enc"].item() == pytest.approx(0, abs=1e-6)
    sure[0, 1] = torch.tensor([-30.0, -30.0, 30.0])
    wrong = deformable()(replace(predictions, encoder_logits=sure, encoder_boxes=proposed).outputs(), [target])
    assert wrong["loss_ce_enc"].item() == pytest.approx(2 * (0.25 * 30 + 0.75 * 30), rel=1e-6)


def test_without_ground_truth_masks_mask_losses_are_zero() -> None:
    predictions = random_predictions(2, classes=CLASSES + 1)
    losses = detr()(predictions.outputs(), make_targets(3, 1, masks=False))
    assert losses["loss_mask"].item() == losses["loss_dice"].item() == 0
    assert not predictions.gradients(losses)["masks"].any()


def test_an_image_without_masks_does_not_affect_others() -> None:
    predictions, targets = random_predictions(2, classes=CLASSES + 1), make_targets(3, 2)
    some = detr()(predictions.outputs(), [targets[0], replace(targets[1], masks=None)])
    first = detr()(predictions.outputs(slice(0, 1)), targets[:1])
    for name in ("loss_mask", "loss_dice"):  # both are divided by all boxes there are
        assert some[name].item() == pytest.approx(first[name].item() * 3 / 5)


def test_masks_larger_than_the_input_are_an_error() -> None:
    predictions, targets = random_predictions(1, classes=CLASSES + 1), make_targets(2, sizes_hw=[(24, 32)])
    with pytest.raises(ValueError, match=r"\(24, 32\) pixels are larger than the input of \(24, 20\)"):
        detr()(predictions.outputs(mask=padding([(24, 20)])), targets)


def test_two_processes_have_the_losses_and_gradients_of_one(tmp_path: Path) -> None:
    """Images with few and many boxes, a process without boxes, no boxes at all, and masks in one process only."""
    batches = [(3, 0, 9, 2), (0, 0, 4, 1), (0, 0, 0, 0), (1, 1, 5, 2)]
    cases = [(name, counts) for name in ("detr", "weighted detr", "deformable") for counts in batches]
    multiprocessing.start_processes(work, (cases, tmp_path), nprocs=2, start_method="spawn")  # type: ignore[no-untyped-call]
    for number, (name, counts) in enumerate(cases):
        criterion, predictions, targets = shared_case(name, counts)
        losses = criterion(predictions.outputs(), targets)
        parts = [torch.load(tmp_path / f"{number}-{rank}") for rank in range(2)]
        halves = {name: (parts[0][0][name] + parts[1][0][name]) / 2 for name in losses}
        assert halves == pytest.approx(values(losses), rel=1e-6, abs=1e-9), (name, counts)
        for leaf, gradient in predictions.gradients(losses).items():
            mean = (parts[0][1][leaf] + parts[1][1][leaf]) / 2
            assert (mean - gradient).abs().max() <= 1e-6 * gradient.abs().max() + 1e-12, (name, counts, leaf)
