"""The network in training: details for the criterion, gradients, one and two processes."""

import copy
from pathlib import Path

import pytest
import torch
from torch import multiprocessing

from detcli.models.dfine.criterion import DFineCriterion
from detcli.models.dfine.network import DFineDetails, DFineTrainingDetails
from tests.helpers.dfine_samples import images
from tests.helpers.dfine_steps import make_targets, step, training_network, whole_batch, work

BINS = {"decoder.bins.reg_scale", "decoder.bins.up"}  # no training moves them


def test_with_targets_all_layers_and_denoising_queries_predict() -> None:
    outputs, losses = step(training_network(), images(2, 64, 96), make_targets(3, 1))
    training_details = outputs.details
    assert isinstance(training_details, DFineTrainingDetails)
    assert outputs.logits.shape == (2, 12, 5)
    assert outputs.boxes_cxcywh.shape == (2, 12, 4)
    assert [x.shape for x in training_details.predictions.logits] == [(2, 12, 5)] * 3
    assert [x.shape for x in training_details.predictions.corners] == [(2, 12, 4 * 33)] * 2
    assert training_details.layout is not None
    assert training_details.layout.groups == 33
    assert training_details.denoising is not None
    assert [x.shape for x in training_details.denoising.boxes_cxcywh] == [(2, 198, 4)] * 3
    layers = ("", "_aux_0", "_pre", "_enc_0", "_dn_0", "_dn_1", "_dn_pre")
    assert {name for name in losses if "vfl" in name} == {f"loss_vfl{layer}" for layer in layers}
    assert {name for name in losses if "ddf" in name} == {"loss_ddf_aux_0", "loss_ddf_dn_0", "loss_ddf_dn_1"}


def test_denoising_queries_do_not_change_other_predictions() -> None:
    network, pixels = training_network(), images(2, 64, 96)
    plain = network(pixels)
    outputs = network(pixels, targets=make_targets(3, 1))
    assert torch.allclose(outputs.logits, plain.logits, atol=1e-10)
    assert torch.allclose(outputs.boxes_cxcywh, plain.boxes_cxcywh, atol=1e-10)


def test_denoising_groups_do_not_affect_each_other() -> None:
    pixels, targets = images(2, 64, 96), make_targets(3, 1)
    network = training_network()
    network.num_denoising = 3
    one = network(pixels, targets=targets).details
    network.num_denoising = 9
    three = network(pixels, targets=targets).details
    assert (one.layout.groups, three.layout.groups) == (1, 3)
    for few, many in zip(one.denoising.logits, three.denoising.logits, strict=True):
        assert torch.allclose(few, many[:, :6], atol=1e-10)


def test_training_mode_without_targets_gives_details() -> None:
    network, pixels = training_network(), images(2, 64, 96)
    outputs = network(pixels, details=True)
    assert isinstance(outputs.details, DFineDetails)
    assert outputs.details.intermediate_logits.shape == (2, 3, 12, 5)
    assert network(pixels).details is None


def test_targets_must_be_one_per_image() -> None:
    with pytest.raises(ValueError, match="1 targets for 2 images"):
        training_network()(images(2, 64, 96), targets=make_targets(3))


def test_targets_in_evaluation_mode_give_all_losses_of_training() -> None:
    network, pixels, targets = training_network(), images(2, 64, 96), make_targets(3, 1)
    criterion = DFineCriterion()
    in_training = criterion(network(pixels, targets=targets), targets)
    first, second = (criterion(network.eval()(pixels, targets=targets), targets) for _ in range(2))
    assert first.keys() == in_training.keys()
    assert first == second


@pytest.mark.parametrize("changes", [{}, {"learn_initial_query": True, "decoder_layers": 3, "eval_idx": 1}])
def test_only_the_shape_of_the_bins_is_not_trained(changes: dict[str, object]) -> None:
    network = training_network(**changes)
    _, losses = step(network, images(2, 64, 96), make_targets(3, 1), **changes)
    torch.stack(list(losses.values())).sum().backward()
    still = {name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()}
    # The padding label is a row of a trained embedding.
    assert still == BINS
    assert network.denoising_labels is not None
    assert network.denoising_labels.weight.grad is not None
    assert not network.denoising_labels.weight.grad[-1].any()


def test_a_batch_without_boxes_gives_every_parameter_a_gradient() -> None:
    """Several processes wait for each other's gradients of all parameters."""
    network = training_network()
    _, losses = step(network, images(2, 64, 96), make_targets(0, 0))
    assert not [name for name in losses if "_dn_" in name]
    torch.stack(list(losses.values())).sum().backward()
    assert {name for name, value in network.named_parameters() if value.grad is None} == BINS


def test_without_denoising_other_losses_are_the_same() -> None:
    pixels, targets = images(2, 64, 96), make_targets(3, 1)
    network = training_network()
    _, expected = step(network, pixels, targets)
    plain = copy.deepcopy(network)
    plain.denoising_labels = None  # as with `num_denoising` 0
    outputs, losses = step(plain, pixels, targets)
    assert outputs.details.denoising is None  # type: ignore[union-attr]
    assert losses.keys() == {name for name in expected if "_dn_" not in name}
    assert all(losses[name].item() == pytest.approx(expected[name].item(), rel=1e-9) for name in losses)


def test_gradients_of_a_batch_are_those_of_single_images() -> None:
    """They once differed: batch norm misread the strides of a single image's gradient."""
    network, pixels, _ = whole_batch((0, 0))

    def gradients(which: slice) -> dict[str, torch.Tensor]:
        network.zero_grad()
        outputs = network(pixels[which])
        (outputs.logits.sum() + outputs.boxes_cxcywh.square().sum()).backward()
        return {name: value.grad for name, value in network.named_parameters() if value.grad is not None}

    first, second, both = gradients(slice(0, 1)), gradients(slice(1, 2)), gradients(slice(0, 2))
    for name, gradient in both.items():
        error = (first[name] + second[name] - gradient).abs().max()
        assert error <= 1e-9 * gradient.abs().max() + 1e-12, name


def test_losses_under_autocast_are_float32_and_close() -> None:
    network, pixels, targets = training_network().float(), images(2, 64, 96).float(), make_targets(3, 1)
    _, exact = step(network, pixels, targets)
    with torch.autocast("cpu", torch.bfloat16):
        _, losses = step(network, pixels, targets)
    total = torch.stack(list(losses.values())).sum()
    assert total.dtype == torch.float32
    assert total.item() == pytest.approx(torch.stack(list(exact.values())).sum().item(), rel=0.1)
    total.backward()
    assert all(value.grad.isfinite().all() for value in network.parameters() if value.grad is not None)


def test_a_few_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    network, pixels, targets = training_network().float(), images(2, 64, 96).float(), make_targets(2, 1)
    optimizer = torch.optim.AdamW([value for value in network.parameters() if value.requires_grad], lr=1e-3)
    totals = []
    for _ in range(25):
        _, losses = step(network, pixels, targets)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.6 * totals[0]


# Boxes of each image: different halves, an empty half, and none at all.
BATCHES = [(3, 1, 0, 2), (0, 0, 2, 3), (0, 0)]


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes saved for every batch."""
    folder = tmp_path_factory.mktemp("halves")
    multiprocessing.spawn(work, args=(BATCHES, folder), nprocs=2)
    return folder


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_two_processes_learn_the_same_as_one(number: int, halves: Path) -> None:
    (first, gradients), (second, same) = (torch.load(halves / f"{number}-{rank}") for rank in range(2))
    network, pixels, targets = whole_batch(BATCHES[number])
    _, losses = step(network, pixels, targets)
    torch.stack(list(losses.values())).sum().backward()
    assert first.keys() == second.keys() == losses.keys()
    for name, loss in losses.items():
        assert (first[name] + second[name]).item() / 2 == pytest.approx(loss.item(), rel=1e-6, abs=1e-9), name
    for name, value in network.named_parameters():
        if value.grad is not None:
            assert torch.equal(gradients[name], same[name]), name
            assert (gradients[name] - value.grad).abs().max() <= 1e-6 * value.grad.abs().max() + 1e-9, name
