"""CUDA graphs: work of a device that is recorded once, and started again by a single call."""

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch

from detcli.structures.network_io import Outputs

VARIABLE = "DETCLI_CUDA_GRAPHS"


class RecordedGraph(Protocol):
    """Work of a device that was recorded.

    outputs  where it writes; overwritten each time it runs
    """

    @property
    def outputs(self) -> Outputs:
        """Its outputs."""

    def replay(self) -> None:
        """Put the work into the queue of the device: it reads and writes the same memory as when it was recorded."""


class GraphRecorder(Protocol):
    """Records work of a device, and knows its memory."""

    def free_bytes(self) -> int:
        """Memory that is free, after unused memory was returned to the device."""

    def warm_up(self, run: Callable[[], Outputs]) -> int:
        """Run something once without recording it; returns how much memory that needed."""

    def record(self, run: Callable[[], Outputs]) -> RecordedGraph:
        """Record what a function puts into the queue of the device, without running it. Raises RuntimeError."""

    def in_order(self) -> AbstractContextManager[None]:
        """Let the device do all that is put into its queue here after all that was put there in earlier contexts."""

    def release(self) -> None:
        """Wait until no graph runs: then graphs may be deleted."""


def cuda_recorder(device: torch.device) -> "CudaRecorder | None":
    """A recorder for a CUDA device; None for others, and if DETCLI_CUDA_GRAPHS is 0."""
    if device.type != "cuda" or os.environ.get(VARIABLE, "1").strip() == "0":
        return None
    return CudaRecorder(device)


class CudaRecorder:
    """Records CUDA graphs on a stream of its own; all of them share their memory, since one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream | None = None
        self._last: torch.cuda.Event | None = None  # after the last work in order
        self._alive: weakref.WeakSet[_CudaGraph] = weakref.WeakSet()

    def free_bytes(self) -> int:
        """Memory that is free on the device."""
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(self._device)[0]

    def warm_up(self, run: Callable[[], Outputs]) -> int:
        """Run something on the stream that records: libraries get their memory there, and choose their kernels."""
        before = self.free_bytes()
        with torch.cuda.device(self._device):
            stream = self._own_stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                run()
            stream.synchronize()
        return max(0, before - torch.cuda.mem_get_info(self._device)[0])

    def record(self, run: Callable[[], Outputs]) -> "_CudaGraph":
        """Record a graph."""
        graph = torch.cuda.CUDAGraph()
        pool = next((other.graph.pool() for other in self._alive), None)  # memory that no graph has may be gone
        with torch.cuda.device(self._device):
            current = torch.cuda.current_stream()
            try:
                # thread_local: what other threads do on the device meanwhile is not recorded, and allowed.
                with torch.cuda.graph(graph, pool, self._own_stream(), capture_error_mode="thread_local"):
                    outputs = run()
            finally:
                torch.cuda.set_stream(current)  # torch.cuda.graph leaves its own one after an error
        recorded = _CudaGraph(graph, outputs, self._device)
        self._alive.add(recorded)
        return recorded

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """Wait for the last work that was put into any stream here."""
        stream = torch.cuda.current_stream(self._device)
        if self._last is not None:
            stream.wait_event(self._last)
        try:
            yield
        finally:
            self._last = stream.record_event()

    def release(self) -> None:
        """Wait for the last graph."""
        if self._last is not None:
            self._last.synchronize()

    def _own_stream(self) -> torch.cuda.Stream:
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        return self._stream


class _CudaGraph:
    """A recorded CUDA graph."""

    def __init__(self, graph: torch.cuda.CUDAGraph, outputs: Outputs, device: torch.device) -> None:
        self.graph, self.outputs, self._device = graph, outputs, device

    def replay(self) -> None:
        """Start it on the current stream of its device."""
        with torch.cuda.device(self._device):
            self.graph.replay()
