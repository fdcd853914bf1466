"""D-FINE's criterion against the original repository's losses, and in other cases."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from detcli.errors import DivergedError
from detcli.models.dfine.box_distribution import EdgeBins, edge_targets
from detcli.models.dfine.criterion import DFineCriterion, DFineLossWeights, criterion, union_set
from detcli.models.dfine.network import DFineTrainingDetails
from detcli.models.losses.assignment import Assignment, CostWeights
from detcli.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from detcli.structures.network_io import Outputs, Targets
from tests.helpers.dfine_criterion_case import OriginalCase, original_case
from tests.helpers.dfine_samples import tiny

NO_TARGETS = [Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))] * 2


def details(case: OriginalCase) -> DFineTrainingDetails:
    assert isinstance(case.outputs.details, DFineTrainingDetails)
    return case.outputs.details


def without_denoising(case: OriginalCase) -> Outputs:
    return replace(case.outputs, details=replace(details(case), denoising=None, layout=None))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_equal_the_original_repository(dtype: torch.dtype) -> None:
    case = original_case(dtype)
    losses = DFineCriterion()(case.outputs, case.targets)
    assert losses.keys() == case.losses.keys()
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(case.losses, rel=1e-5)
    assert torch.stack(list(losses.values())).sum().item() == pytest.approx(case.total, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_equal_the_original_repository(dtype: torch.dtype) -> None:
    case = original_case(dtype)
    torch.stack(list(DFineCriterion()(case.outputs, case.targets).values())).sum().backward()
    for name, expected in case.gradients.items():
        gradient = case.inputs[name].grad
        assert gradient is not None, name
        assert (gradient - expected).abs().max() <= 1e-4 * expected.abs().max(), name


def test_other_losses_do_not_depend_on_denoising() -> None:
    case = original_case()
    losses = DFineCriterion()(without_denoising(case), case.targets)
    expected = {name: loss for name, loss in case.losses.items() if "_dn_" not in name}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_the_order_of_images_does_not_matter() -> None:
    case = original_case(torch.float64)
    training_details = details(case)
    answers = replace(
        training_details.predictions,
        logits=tuple(x.flip(0) for x in training_details.predictions.logits),
        boxes_cxcywh=tuple(x.flip(0) for x in training_details.predictions.boxes_cxcywh),
        corners=tuple(x.flip(0) for x in training_details.predictions.corners),
        initial_boxes=training_details.predictions.initial_boxes.flip(0),
    )
    turned = replace(
        training_details,
        predictions=answers,
        encoder_logits=training_details.encoder_logits.flip(0),
        encoder_boxes=training_details.encoder_boxes.flip(0),
        denoising=None,
        layout=None,
    )
    losses = DFineCriterion()(replace(case.outputs, details=turned), case.targets[::-1])
    expected = DFineCriterion()(without_denoising(case), case.targets)
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(
        {name: loss.item() for name, loss in expected.items()}, rel=1e-9
    )


def test_a_batch_without_boxes_has_only_class_losses() -> None:
    case = original_case()
    losses = DFineCriterion()(without_denoising(case), NO_TARGETS)
    boxes = {name: loss.item() for name, loss in losses.items() if not name.startswith(("loss_vfl", "loss_ddf"))}
    assert boxes
    assert not any(boxes.values())
    assert losses["loss_vfl"].item() > 0
    assert losses["loss_ddf_aux_0"].item() > 0  # without boxes, the last layer still trains others with its scores
    torch.stack(list(losses.values())).sum().backward()
    for name, tensor in case.inputs.items():
        if "/dn_" not in name:
            assert tensor.grad is not None, name
            assert tensor.grad.isfinite().all(), name


def test_more_boxes_than_queries_use_all_queries() -> None:
    case = original_case()
    many = torch.rand(40, 4, generator=torch.Generator().manual_seed(0)) * 0.3 + 0.2
    targets = [Targets(torch.arange(40) % 6, many), case.targets[1]]
    losses = DFineCriterion()(without_denoising(case), targets)
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())


def test_losses_are_float32_for_half_precision_and_autocast() -> None:
    case = original_case()
    training_details = details(case)
    halves = replace(
        training_details,
        predictions=replace(
            training_details.predictions,
            logits=tuple(x.bfloat16() for x in training_details.predictions.logits),
            corners=tuple(x.bfloat16() for x in training_details.predictions.corners),
        ),
        encoder_logits=training_details.encoder_logits.bfloat16(),
    )
    with torch.autocast("cpu", torch.bfloat16):
        losses = DFineCriterion()(replace(case.outputs, details=halves), case.targets)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert torch.stack(list(losses.values())).sum().item() == pytest.approx(case.total, rel=0.01)


def test_identical_layers_have_no_distillation_loss() -> None:
    case = original_case()
    training_details = details(case)
    alike = replace(training_details.predictions, corners=training_details.predictions.corners[-1:] * 3)
    losses = DFineCriterion()(replace(case.outputs, details=replace(training_details, predictions=alike)), case.targets)
    assert losses["loss_ddf_aux_0"].item() == pytest.approx(0, abs=1e-6)


def test_weights_in_config_json_replace_published_ones() -> None:
    ours = criterion(tiny(weight_loss_bbox=7, weight_loss_ddf=0.25, matcher_class_cost=3, matcher_gamma=1.5))
    assert ours.weights == DFineLossWeights(bbox=7, ddf=0.25)
    assert ours.costs == CostWeights(label=3, gamma=1.5)
    assert criterion(tiny()).weights == DFineLossWeights(vfl=1, bbox=5, giou=2, fgl=0.15, ddf=1.5)


def test_a_weight_multiplies_only_its_losses() -> None:
    case = original_case()
    losses = DFineCriterion(DFineLossWeights(giou=4))(case.outputs, case.targets)
    expected = {name: loss * (2 if "giou" in name else 1) for name, loss in case.losses.items()}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "layer"), [("aux_outputs/1/", "decoder layer 1"), ("enc_aux_outputs/0/", "the encoder")]
)
def test_non_finite_predictions_stop_training_and_name_the_layer(name: str, layer: str) -> None:
    case = original_case()
    with torch.no_grad():
        case.inputs[f"outputs/{name}pred_boxes"][1, 3, 2] = math.nan
    with pytest.raises(DivergedError, match=f"predictions of {layer} are"):
        DFineCriterion()(case.outputs, case.targets)


def test_outputs_without_training_details_are_rejected() -> None:
    case = original_case()
    with pytest.raises(TypeError, match="no training details"):
        DFineCriterion()(replace(case.outputs, details=None), case.targets)


def test_the_union_set_keeps_each_querys_most_frequent_box() -> None:
    # Query 0: box 1 twice, box 0 once. Query 4: box 0 twice, of which one layer prefers box 2. Query 7: once.
    own = Assignment(
        queries=np.array([[0, 4, 5], [0, 4, 5], [0, 4, 7]]),
        targets=np.array([[1, 0, 2], [1, 0, 2], [0, 2, 1]]),
    )
    agreed = union_set(own)
    assert dict(zip(agreed.queries.tolist(), agreed.targets.tolist(), strict=True)) == {0: 1, 4: 0, 5: 2, 7: 1}
    assert len(agreed.queries) == 4


def test_of_equally_frequent_boxes_the_first_counts() -> None:
    own = Assignment(queries=np.array([[3, 1], [3, 1]]), targets=np.array([[5, 2], [4, 2]]))
    agreed = union_set(own)
    assert (agreed.queries.tolist(), agreed.targets.tolist()) == ([1, 3], [2, 4])


def test_edge_targets_give_back_the_ground_truth_box() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.rand(50, 4, dtype=torch.float64, generator=generator) * 0.3 + 0.1
    true = start * (0.8 + 0.4 * torch.rand(50, 4, dtype=torch.float64, generator=generator))
    bins = EdgeBins(32, reg_scale=4.0, up=0.5).double()
    left, share = edge_targets(start, true, bins=32, reg_scale=bins.reg_scale, up=bins.up)
    chances = torch.zeros(50, 4, 33, dtype=torch.float64)
    chances.scatter_(-1, left[..., None], 1 - share[..., None])
    chances.scatter_(-1, left[..., None] + 1, share[..., None])
    assert torch.allclose(bins(chances.log().flatten(1)[None], start[None])[0], true, atol=1e-12)


def test_edges_out_of_range_use_the_outermost_bins() -> None:
    """Bins have a range of one box size in both directions."""
    start = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    far = xyxy_to_cxcywh(cxcywh_to_xyxy(start) + torch.tensor([[-0.9, 0.9, 0.9, -0.9]]))
    left, share = edge_targets(start, far, bins=32, reg_scale=torch.tensor([4.0]), up=torch.tensor([0.5]))
    assert left.tolist() == [[31, 0, 31, 0]]
    assert share.tolist() == [[1.0, 0.0, 1.0, 0.0]]
