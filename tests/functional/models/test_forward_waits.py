"""A forward pass neither waits for a GPU nor copies to it; its constants are made once for each shape."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from detcli.models.detr.mask_head import _positions
from detcli.models.inference_form import optimize
from detcli.models.layers import graph_capture, sampling
from detcli.runtimes.operator_modes import HostWaits
from detcli.structures.network_io import Outputs, Targets
from tests.helpers import deformable_detr_samples, detr_samples, dfine_samples, rtdetr_samples

SIZES = [(64, 96), (48, 64)]


def dfine() -> nn.Module:
    return dfine_samples.random_network(dfine_samples.tiny())


def detr() -> nn.Module:
    return detr_samples.random_network(detr_samples.tiny())


def segmenting() -> nn.Module:
    return detr_samples.random_network(detr_samples.tiny(**detr_samples.SEGMENTING))


def rtdetr() -> nn.Module:
    return rtdetr_samples.random_network(rtdetr_samples.tiny())


def rtdetr_v2() -> nn.Module:
    return rtdetr_samples.random_network(rtdetr_samples.tiny(2))


def deformable(variant: str = "") -> nn.Module:
    return deformable_detr_samples.random_network(deformable_detr_samples.tiny(variant))


def single_scale() -> nn.Module:
    return deformable("single-scale")


def refining() -> nn.Module:
    return deformable("with-box-refine")


def two_stage() -> nn.Module:
    return deformable("with-box-refine-two-stage")


Make = Callable[[], nn.Module]
ONE_SIZE = [dfine, rtdetr, rtdetr_v2]  # they take no mask
PADDED = [detr, segmenting, deformable, single_scale, refining, two_stage]
EVERY_FAMILY = [*ONE_SIZE, *PADDED]


@pytest.fixture(autouse=True)
def _empty_caches() -> None:
    """Constants of other tests would hide those that a network makes."""
    graph_capture._cached_sizes.cache_clear()
    sampling._layout.cache_clear()


def batch(count: int = 2, *, padded: bool = False) -> tuple[Tensor, ...]:
    pixels = dfine_samples.images(count, *SIZES[0]).float()
    return deformable_detr_samples.padded(pixels, SIZES[:1] * (count - 1) + SIZES[1:]) if padded else (pixels,)


def forward(network: nn.Module, *inputs: Tensor, grad: bool = False, **arguments: Any) -> tuple[HostWaits, Outputs]:
    """The operators of a forward pass, and its outputs; with gradients, it samples as accelerators do."""
    with torch.set_grad_enabled(grad), HostWaits() as waits:
        outputs = network(*inputs, **arguments)
    return waits, outputs


def host_copies(waits: HostWaits) -> int:
    return sum(name == "aten.lift_fresh" for name in waits.names)


@pytest.mark.parametrize(("form", "grad"), [("plain", False), ("plain", True), ("folded", False)])
@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_no_constant_is_made_again_for_a_shape(make: Make, grad: bool, form: str) -> None:
    network = make() if form == "plain" else optimize(make())
    forward(network, *batch(), grad=grad)
    waits, _ = forward(network, *batch(), grad=grad)
    assert waits.names == []


@pytest.mark.parametrize("grad", [False, True], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("make", PADDED)
def test_no_constant_is_made_again_for_padded_images(make: Make, grad: bool) -> None:
    network = make()
    forward(network, *batch(padded=True), grad=grad)
    waits, _ = forward(network, *batch(padded=True), grad=grad)
    # Only the CPU asks the mask whether there is padding, and DETR does.
    assert host_copies(waits) == 0
    assert set(waits.names) <= {"aten.is_nonzero", "aten._local_scalar_dense"}
    assert len(waits.names) <= (1 if make in (detr, segmenting) else 0)


@pytest.mark.parametrize("make", [deformable, single_scale, refining, two_stage])
def test_a_shape_needs_a_few_constants_once(make: Make) -> None:
    levels = 1 if make is single_scale else 4
    waits, _ = forward(make(), *batch(), grad=True)
    assert 0 < host_copies(waits) <= levels + 1  # not one for each layer
    other, _ = forward(make(), *batch(1), grad=True)
    assert other.names == []  # networks and batches share them


@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_training_makes_no_constant_again(make: Make) -> None:
    network = make().train()
    targets = [
        Targets(torch.tensor([0, 1]), torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.3, 0.4, 0.1, 0.2]])) for _ in range(2)
    ]
    inputs = batch()
    forward(network, *inputs, grad=True, targets=targets)
    waits, outputs = forward(network, *inputs, grad=True, targets=targets)
    if make not in ONE_SIZE:  # their denoising makes queries of the ground truth
        assert host_copies(waits) == 0
    outputs.logits.sum().backward()


@pytest.mark.parametrize("make", [deformable, single_scale, refining, two_stage])
def test_constants_of_inference_are_usable_in_training(make: Make) -> None:
    network = make()
    with torch.inference_mode():
        network(*batch())
    graph_capture._cached_sizes.cache_clear()
    with torch.inference_mode():
        pixels = torch.zeros(1, 2)
        for sizes in ((8, 6), (4, 3)):
            graph_capture.tensor_of_sizes(sizes, pixels)
    _, outputs = forward(network, *batch(), grad=True)
    outputs.boxes_cxcywh.sum().backward()
    assert all(x.grad is None or bool(x.grad.isfinite().all()) for x in network.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("sizes", [(7, 5), (100, 167, 50, 84, 25, 42, 13, 21), (1,)])
def test_cached_sizes_have_the_bits_of_new_ones(sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    like = torch.zeros(2, dtype=dtype)
    expected = like.new_tensor(sizes)
    for _ in range(2):
        found = graph_capture.tensor_of_sizes(sizes, like)
        assert found.dtype is dtype
        assert torch.equal(found, expected)


@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_a_forward_pass_asks_a_device_for_no_number(make: Make) -> None:
    """A tensor without data has none to give."""
    network = make().to("meta")
    inputs = tuple(x.to("meta") for x in batch(padded=make in PADDED))
    with torch.inference_mode():
        outputs = network(*inputs)
    assert outputs.logits.shape[0] == len(inputs[0])
    assert outputs.boxes_cxcywh.device.type == "meta"


@pytest.mark.parametrize("make", [*ONE_SIZE, detr, deformable, refining, two_stage])
def test_the_number_of_operators_does_not_grow_with_the_batch(make: Make) -> None:
    network = make().to("meta")
    inputs = [[x.to("meta") for x in batch(count)] for count in (1, 2, 5)]
    forward(network, *inputs[0])  # makes the constants of this shape
    counts = [forward(network, *given)[0].count for given in inputs]
    assert counts[0] <= counts[1] == counts[2]  # a batch of one image needs fewer copies


class Reads(TorchFunctionMode):
    """Counts the calls that bring numbers of tensors to Python."""

    count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += getattr(func, "__name__", "") in ("tolist", "item", "numpy", "cpu", "nonzero", "__bool__")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.999])
@pytest.mark.parametrize("count", [1, 4])
def test_the_choice_of_masks_waits_once_for_a_batch(count: int, threshold: float) -> None:
    network: Any = segmenting()
    network.configure_masks(enabled=True, score_threshold=threshold)
    forward(network, *batch(count))
    with Reads() as reads:
        waits, _ = forward(network, *batch(count))
    assert reads.count == (1 if threshold else 0)
    assert waits.names == []


def test_positions_are_those_of_true_in_order() -> None:
    generator = torch.Generator().manual_seed(3)
    selected = torch.rand(9, 100, generator=generator) < torch.arange(9)[:, None] / 8  # none … all
    for row, positions in zip(selected, _positions(selected), strict=True):
        assert torch.equal(positions, row.nonzero()[:, 0])
