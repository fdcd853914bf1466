"""Errors of torch about memory or a lost device, as DeviceError."""

import contextlib
from collections.abc import Iterator

import torch

from detcli.errors import DeviceError

# What torch and oneDNN report when memory runs out, on a CPU and on other devices.
_NO_MEMORY = ("can't allocate memory", "out of memory", "could not create a primitive", "could not create a memory")


@contextlib.contextmanager
def device_errors(device: torch.device | str) -> Iterator[None]:
    """Turn torch errors about memory or a lost device into DeviceError; other errors pass unchanged."""
    try:
        yield
    except MemoryError as error:
        raise DeviceError("out of memory on the CPU", out_of_memory=True) from error
    except RuntimeError as error:
        message = first_line(error)
        if is_out_of_memory(error):
            raise DeviceError(f"out of memory on {device}: {message}", out_of_memory=True) from error
        if "CUDA error" in message or "MPS backend" in message:
            raise DeviceError(f"{device} was lost: {message}") from error
        raise


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch says that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in first_line(error).lower() for sign in _NO_MEMORY)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, shortened; else the name of its class."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
