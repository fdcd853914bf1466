"""Copies between the host and a device that neither of them waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor


class HostCopy:
    """A tensor on its way from a device: one transfer, which later work in the queue of the device does not delay."""

    def __init__(self, tensor: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        if tensor.device.type == "cuda":
            self._tensor = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._tensor.copy_(tensor, non_blocking=True)
            # The current stream of the tensor's device: the current device may be another one.
            self._event = torch.cuda.current_stream(tensor.device).record_event()
        else:
            self._tensor = tensor.cpu()

    def wait(self) -> Tensor:
        """Wait for the transfer; returns the tensor on the CPU."""
        if self._event is not None:
            self._event.synchronize()
        return self._tensor


class EarlierWork:
    """All work that is in the queue of a device now: its results are read without waiting for what comes later."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._end = torch.cuda.current_stream(device).record_event() if device.type == "cuda" else None

    @contextmanager
    def only(self) -> Iterator[None]:
        """Let what is done here, copies to the host too, come right after that work; at the end it is done."""
        if self._end is None:
            yield
            return
        stream = _second_stream(self._device)
        stream.wait_event(self._end)
        with torch.cuda.device(self._device), torch.cuda.stream(stream):
            try:
                yield
            finally:
                stream.synchronize()  # what it read may be deleted now


@lru_cache
def _second_stream(device: torch.device) -> torch.cuda.Stream:
    # Its few operators go before those of a network.
    return torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the CPU to a device; a GPU does it from pinned memory when its turn comes."""
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)
