"""PyTorch runs the network: device, precision, compilation and the allocator beneath."""

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator
from typing import Literal, cast

import torch
from torch import nn

from detcli.errors import DeviceError, UsageError
from detcli.structures.batch import Batch
from detcli.structures.outputs import Outputs

# What torch and oneDNN say on a CPU, and torch on others, where memory runs out.
_NO_MEMORY = ("can't allocate memory", "out of memory", "could not create a primitive", "could not create a memory")

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class TorchRuntime:
    """A network on a device.

    network    in evaluation form; it is moved, not copied
    device     where it runs
    precision  fp32, or the type of torch's autocast
    compile    let torch.compile rewrite it: minutes of start-up for long runs
    dynamic    compiled code is to serve images of many sizes
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        device: torch.device,
        precision: Precision = "fp32",
        compile: bool = False,  # noqa: A002 - the flag's name
        dynamic: bool = False,
    ) -> None:
        self._device = device
        self._dtype = _DTYPES[precision]
        with device_errors(device):
            network = network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if device.type == "cpu":
                _own_memory(network)
        self._network = torch.compile(network, dynamic=None if dynamic else False) if compile else network

    def __call__(self, batch: Batch) -> Outputs:
        """Run the network; outputs are float32, still on the device."""
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32)
        with device_errors(self._device), torch.inference_mode(), autocast:
            pixels = batch.pixels.to(self._device, memory_format=torch.channels_last, non_blocking=True)
            if batch.mask is None:
                outputs = cast("Outputs", self._network(pixels))
            else:
                outputs = cast("Outputs", self._network(pixels, batch.mask.to(self._device, non_blocking=True)))
        masks = outputs.masks.float() if outputs.masks is not None else None
        return Outputs(outputs.logits.float(), outputs.boxes_cxcywh.float(), masks=masks)


def choose_device(name: str) -> torch.device:
    """The device of `--device`: auto, cpu, cuda, cuda:N, mps. Raises UsageError where this machine has no such one."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device '{name}' is none of auto, cpu, cuda, cuda:0, mps") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {name}: torch {torch.__version__} sees no CUDA device here; --device cpu works")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {name}: this machine has CUDA devices 0 to {torch.cuda.device_count() - 1}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: torch sees no Apple GPU here; --device cpu works")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"--device '{name}' is none of auto, cpu, cuda, cuda:0, mps")
    return device


def choose_precision(name: str, device: torch.device) -> Precision:
    """The precision of `--precision`; auto is fp32 everywhere: exactness first, speed on request."""
    if name == "auto":
        return "fp32"
    if name not in _DTYPES:
        raise UsageError(f"--precision '{name}' is none of auto, fp32, bf16, fp16")
    if name == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16 is for GPUs; on a CPU take bf16 or fp32")
    return name


def fix_arithmetic(device: torch.device) -> None:
    """Make the same numbers come out of every run on this machine: fixed kernels, fixed threads, no TF32."""
    torch.set_num_threads(torch.get_num_threads())
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


def keep_freed_memory() -> bool:
    """Tell glibc to keep big freed blocks rather than hand them back and fault them in again at each step.

    A network frees and takes the same hundreds of megabytes once a batch; on two cores this is worth 1.4 to 1.8 times
    the speed. Both thresholds are needed: with either alone the blocks still go. Returns whether it took effect.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))


def _own_memory(network: nn.Module) -> None:
    """Copy every number: those that come from a mapped file keep all of it in memory, also what was folded since."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()


@contextlib.contextmanager
def device_errors(device: torch.device | str) -> Iterator[None]:
    """Turn what torch raises for want of memory or of a device into DeviceError; everything else stays what it is."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"out of memory on {device}: {_first_line(error)}", out_of_memory=True) from error
    except MemoryError as error:
        raise DeviceError("out of memory on the CPU", out_of_memory=True) from error
    except RuntimeError as error:
        message = _first_line(error)
        if any(sign in message.lower() for sign in _NO_MEMORY):
            raise DeviceError(f"out of memory on {device}: {message}", out_of_memory=True) from error
        if "CUDA error" in message or "MPS backend" in message:
            raise DeviceError(f"{device} was lost: {message}") from error
        raise


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
