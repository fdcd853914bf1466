"""A stand-in for the border between graphs of a network and a CUDA device: it records and replays on the CPU."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from detcli.structures.network_io import Outputs


class CpuGraph:
    """A function that runs again and overwrites the outputs of its first run, as a CUDA graph does."""

    def __init__(self, run: Callable[[], Outputs], recorder: "CpuRecorder") -> None:
        self._run, self._recorder = run, recorder
        self.outputs = run()

    def replay(self) -> None:
        """Run it; outside of `in_order`, another stream could run at the same time."""
        assert self._recorder.orders == self._recorder.ended + 1
        self._recorder.replays += 1
        for own, new in zip(tensors(self.outputs), tensors(self._run()), strict=True):
            own.copy_(new)


class CpuRecorder:
    """Records functions as CpuGraph.

    free    memory of the device in bytes, as much as a test says
    needed  memory that a run needs
    error   what `record` raises
    """

    def __init__(self, *, free: int = 100, needed: int = 10, error: RuntimeError | None = None) -> None:
        self.free, self.needed, self.error = free, needed, error
        self.recorded = self.replays = self.released = self.orders = self.ended = 0

    def free_bytes(self) -> int:
        """The memory that the test gave."""
        return self.free

    def warm_up(self, run: Callable[[], Outputs]) -> int:
        """Run it."""
        run()
        return self.needed

    def record(self, run: Callable[[], Outputs]) -> CpuGraph:
        """Record it, or raise the error of the test."""
        if self.error is not None:
            raise self.error
        self.recorded += 1
        return CpuGraph(run, self)

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """Count the contexts."""
        self.orders += 1
        yield
        self.ended += 1

    def release(self) -> None:
        """Count the calls."""
        self.released += 1


def tensors(outputs: Outputs) -> list[Tensor]:
    """Logits, boxes and, where there are some, masks."""
    return [x for x in (outputs.logits, outputs.boxes_cxcywh, outputs.masks) if x is not None]
