"""Devices, precisions and what goes wrong on them."""

import subprocess
import sys
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from detcli.errors import DeviceError, UsageError
from detcli.runtimes.torch_runtime import Precision, TorchRuntime, choose_device, choose_precision
from detcli.structures.network_io import Batch, Outputs

CPU = torch.device("cpu")


class Linear(nn.Module):
    """A network of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3)

    def forward(self, pixels: Tensor) -> Outputs:
        tokens = self.layer(pixels).flatten(2).mT
        return Outputs(tokens[..., :4], tokens[..., 4:].sigmoid())


class Failing(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, pixels: Tensor) -> Outputs:
        raise self.error


def batch() -> Batch:
    pixels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    sizes = torch.tensor([[16, 16], [16, 16]])
    return Batch(pixels, None, sizes, sizes)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_outputs_are_float32_without_gradients_whatever_the_precision(precision: Precision) -> None:
    network = Linear()
    expected = network(batch().pixels)
    found = TorchRuntime(network, device=CPU, precision=precision)(batch())
    assert found.logits.dtype is torch.float32
    assert not found.logits.requires_grad
    assert torch.allclose(found.logits, expected.logits, atol=1e-6 if precision == "fp32" else 0.05)


def test_a_network_releases_the_file_of_its_weights() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(4, 4))
    before = network.state_dict()  # kept, so that its memory is not given to the new tensors
    TorchRuntime(network, device=CPU)
    for name, tensor in network.state_dict().items():
        assert tensor.data_ptr() != before[name].data_ptr(), name
        assert torch.equal(tensor, before[name])
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("could not create a primitive"),
        MemoryError(),
    ],
)
def test_out_of_memory_is_marked_so_that_a_smaller_batch_is_tried(error: BaseException) -> None:
    with pytest.raises(DeviceError) as caught:
        TorchRuntime(Failing(error), device=CPU)(batch())
    assert caught.value.out_of_memory


def test_a_lost_device_is_a_device_error() -> None:
    with pytest.raises(DeviceError, match="was lost") as caught:
        TorchRuntime(Failing(RuntimeError("CUDA error: device-side assert triggered\nmore")), device=CPU)(batch())
    assert not caught.value.out_of_memory


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        TorchRuntime(Failing(RuntimeError("mat1 and mat2 shapes cannot be multiplied")), device=CPU)(batch())


@pytest.mark.parametrize("name", ["cudda", "gpu", "cpu:x", "", "xpu", "meta"])
def test_an_unknown_device_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="`device` must be"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_a_missing_device_is_a_usage_error_with_a_suggestion() -> None:
    assert choose_device("auto").type in ("cpu", "mps")
    with pytest.raises(UsageError, match="use `device=cpu`"):
        choose_device("cuda:1")


def test_the_default_precision_is_fp32_and_fp16_is_for_gpus() -> None:
    assert choose_precision("auto", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    with pytest.raises(UsageError, match="`precision=fp16` is for GPUs"):
        choose_precision("fp16", CPU)
    with pytest.raises(UsageError, match="int8"):
        choose_precision("int8", CPU)


def test_tf32_is_for_cuda_devices() -> None:
    assert choose_precision("tf32", torch.device("cuda", 0)) == "tf32"
    for device in ("cpu", "mps"):
        with pytest.raises(UsageError, match="`precision=tf32` is for CUDA devices"):
            choose_precision("tf32", torch.device(device))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_gives_the_same_outputs() -> None:
    network = Linear()
    expected = cast("Outputs", network(batch().pixels)).logits
    found = TorchRuntime(network, device=torch.device("cuda", 0))(batch())
    assert found.logits.device.type == "cuda"
    assert torch.allclose(found.logits.cpu(), expected, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_fp32_on_a_gpu_is_ieee_and_tf32_is_not() -> None:
    if torch.cuda.get_device_capability()[0] < 8:
        pytest.skip("the GPU has no TF32")
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.Conv2d(256, 8, 1))
    pixels = torch.rand(2, 256, 64, 64, generator=generator)
    exact = network.double()(pixels.double()).detach()
    errors = {}
    for precision in ("fp32", "tf32"):
        runtime = TorchRuntime(Wrapped(network.float()), device=torch.device("cuda", 0), precision=precision)
        found = runtime(Batch(pixels, None, torch.zeros(2, 2), torch.zeros(2, 2))).logits.cpu()
        errors[precision] = float((found - exact[:, :4].flatten(2).mT).abs().max() / exact.abs().max())
    assert errors["fp32"] < 1e-5 < 1e-4 < errors["tf32"] < 1e-2


class Wrapped(nn.Module):
    """A network with the outputs of a detector."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, pixels: Tensor) -> Outputs:
        tokens = self.inner(pixels).flatten(2).mT
        return Outputs(tokens[..., :4], tokens[..., 4:].sigmoid())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_kept_and_not_faulted_in_again() -> None:
    """Counted in page faults, not in seconds: the fewest of many rounds, since the system may take pages back as well."""
    script = """
import resource, sys
from detcli.runtimes.process import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    print(-1); raise SystemExit
import torch
rounds = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(30_000_000).add_(1)
    rounds.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(rounds))
"""

    def faults(mode: str) -> int:
        return int(subprocess.run([sys.executable, "-c", script, mode], capture_output=True, check=True).stdout)

    kept = faults("keep")
    if kept == -1:
        pytest.skip("this libc is not glibc")
    assert kept * 10 < faults("leave")
