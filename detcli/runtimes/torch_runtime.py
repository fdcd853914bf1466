"""PyTorch runs the network: device, precision and compilation."""

import os
from contextlib import AbstractContextManager
from typing import Literal, cast

import torch
from torch import Tensor, nn

from detcli.errors import UsageError
from detcli.runtimes.device_errors import device_errors as device_errors
from detcli.runtimes.float32_mode import float32_mode
from detcli.runtimes.graph_recorder import GraphRecorder
from detcli.runtimes.network_graphs import NetworkGraphs
from detcli.runtimes.runtime import SynchronousRuntime
from detcli.structures.network_io import Batch, Outputs

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


class TorchRuntime(SynchronousRuntime[Batch, Outputs]):
    """A network on a device.

    network    in evaluation form; it is moved, not copied
    device     where it runs
    precision  fp32 (IEEE 754, also what autocast leaves in float32), tf32, or the type of torch's autocast
    compile    compile it with torch.compile: minutes of start-up for long runs
    dynamic    the compiled code must take images of many sizes
    recorder   records CUDA graphs of the network, for images of one size; None: operators run one by one
    """

    name = "torch"

    def __init__(
        self,
        network: nn.Module,
        *,
        device: torch.device,
        precision: Precision = "fp32",
        compile: bool = False,  # noqa: A002 - the name of the option and of torch.compile
        dynamic: bool = False,
        recorder: GraphRecorder | None = None,
    ) -> None:
        self._device = device
        self.device_name = str(device)
        self.precision = precision
        self._dtype = DTYPES[precision]
        self.batches_in_flight = 2 if device.type == "cuda" else 1  # the next one waits in the queue of the GPU
        with device_errors(device):
            network = network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if device.type == "cpu":
                _own_memory(network)
            if self._dtype is not torch.float32:
                _cast_weights(network, self._dtype)
        self._network = torch.compile(network, dynamic=None if dynamic else False) if compile else network
        self._graphs = None if recorder is None else NetworkGraphs(self._run, recorder)

    def __call__(self, batch: Batch) -> Outputs:
        """Run the network; outputs are float32, still on the device."""
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32)
        float32 = float32_mode(tf32=self.precision == "tf32")
        with device_errors(self._device), torch.inference_mode(), float32, autocast:
            inputs = [batch.pixels.to(self._device, memory_format=torch.channels_last, non_blocking=True)]
            if batch.mask is not None:
                inputs.append(batch.mask.to(self._device, non_blocking=True))
            return (self._graphs or self._run)(*inputs)

    def _run(self, *inputs: Tensor) -> Outputs:
        outputs = cast("Outputs", self._network(*inputs))
        masks = outputs.masks.float() if outputs.masks is not None else None
        box_std = outputs.box_std.float() if outputs.box_std is not None else None
        return Outputs(outputs.logits.float(), outputs.boxes_cxcywh.float(), masks=masks, box_std=box_std)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about CUDA graphs that could not be used."""
        return () if self._graphs is None else self._graphs.remarks

    def errors(self) -> AbstractContextManager[None]:
        """Turn torch errors about memory or a lost device into DeviceError."""
        return device_errors(self._device)

    def release_memory(self) -> None:
        """Return cached memory to the GPU, and that of CUDA graphs."""
        if self._graphs is not None:
            self._graphs.release_memory()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def choose_device(name: str) -> torch.device:
    """Return the device for auto, cpu, cuda, cuda:N or mps. Raises UsageError if this machine has none of that name."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"`device` must be auto, cpu, cuda, cuda:N or mps, not '{name}'")
    if device.type != "cuda" and device.index is not None:
        raise UsageError(
            f"`device={name}`: there is only one {device.type} device here; `detect` and `segment` take cpu:N for N processes"
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        raise _no_cuda(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"`device={name}`: this machine has the CUDA devices 0 to {torch.cuda.device_count() - 1}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("`device=mps`: torch finds no Apple GPU; use `device=cpu`")
    return device


def all_cuda_devices(name: str) -> tuple[str, ...]:
    """Return the names of all CUDA devices of this machine. Raises UsageError where there are none.

    name  what the user calls them
    """
    if not torch.cuda.is_available():
        raise _no_cuda(name)
    return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))


def _no_cuda(name: str) -> UsageError:
    return UsageError(f"`device={name}`: torch {torch.__version__} finds no CUDA device; use `device=cpu`")


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return the precision for auto, fp32, tf32, bf16 or fp16; auto is fp32 on every device.

    Raises UsageError for another name, for fp16 on a CPU, and for tf32 without CUDA.
    """
    if name == "auto":
        return "fp32"
    if name not in DTYPES:
        raise UsageError(f"`precision` must be auto, fp32, tf32, bf16 or fp16, not '{name}'")
    if name == "fp16" and device.type == "cpu":
        raise UsageError("`precision=fp16` is for GPUs; on a CPU use bf16 or fp32")
    if name == "tf32" and device.type != "cuda":
        raise UsageError(f"`precision=tf32` is for CUDA devices; on {device.type} use bf16 or fp32")
    return name


def use_deterministic_kernels(device: torch.device) -> None:
    """Change settings of torch, for the whole process, so that every run on this machine gives the same numbers.

    Fixed kernels, and a fixed number of threads. The precision of float32 is set at each call.
    """
    torch.set_num_threads(torch.get_num_threads())
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True


def _own_memory(network: nn.Module) -> None:
    """Copy every tensor: one from a memory-mapped file keeps the complete file in memory, also folded weights."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()


def _cast_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights that autocast would cast again in every call; all others stay float32."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)
