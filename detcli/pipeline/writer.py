"""Draws, encodes and writes results behind the network, in threads; sinks that need the order get it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import SimpleQueue
from types import TracebackType

from detcli.pipeline.backpressure import InFlightLimit
from detcli.pipeline.statistics import FailurePolicy, RunStats
from detcli.sinks.sink import Sink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

OnResult = Callable[[Frame | FailedFrame, Detections | FailedFrame], None]


class _Job:
    """One result on its way to the sinks."""

    def __init__(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self.frame, self.detections = frame, detections
        self.done = threading.Event()  # by the sinks without an order
        self.error: BaseException | None = None


class Writer:
    """`workers` threads serve the sinks without an order, one more thread those with one; use as a context manager.

    A result reaches the ordered sinks, the tally and `on_result` only after every other sink has it: whoever reads
    it in the journal can rely on its image being on the disk. The first error is raised by the next `write`, or at
    the end of the context; results after it are dropped. `failed` tells it before.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        room: InFlightLimit,
        tally: RunStats,
        limits: FailurePolicy,
        *,
        workers: int,
        on_result: OnResult | None,
    ) -> None:
        self._ordered = [sink for sink in sinks if sink.ordered]
        self._unordered = [sink for sink in sinks if not sink.ordered]
        self._room, self._tally, self._limits, self._on_result = room, tally, limits, on_result
        self._to_draw: SimpleQueue[_Job | None] = SimpleQueue()
        self._in_order: SimpleQueue[_Job | None] = SimpleQueue()
        self._error: BaseException | None = None
        count = workers if self._unordered else 0
        self._drawers = [threading.Thread(target=self._draw, name=f"draw-{i}", daemon=True) for i in range(count)]
        self._writer = threading.Thread(target=self._write, name="write", daemon=True)

    def __enter__(self) -> "Writer":
        for thread in (*self._drawers, self._writer):
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_order.put(None)
        self._writer.join()
        for _ in self._drawers:
            self._to_draw.put(None)
        for thread in self._drawers:
            thread.join()
        if error is None and self._error is not None:
            raise self._error

    @property
    def failed(self) -> bool:
        """Whether nothing more will be written."""
        return self._error is not None

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Hand one result on; returns at once."""
        if self._error is not None:
            raise self._error
        if isinstance(frame, Frame) and frame.prepared is not None:
            self._room.let_go(replace(frame, pixels=None))
            frame = replace(frame, prepared=None)
        job = _Job(frame, detections)
        if self._unordered:
            self._to_draw.put(job)
        else:
            job.done.set()
        self._in_order.put(job)

    def _draw(self) -> None:
        while (job := self._to_draw.get()) is not None:
            try:
                if self._error is None:
                    for sink in self._unordered:
                        sink.write(job.frame, job.detections)
            except BaseException as error:
                job.error = error
            job.done.set()

    def _write(self) -> None:
        while (job := self._in_order.get()) is not None:
            job.done.wait()
            try:
                if self._error is None:
                    self._deliver(job)
            except BaseException as error:
                self._error = error
            self._room.leave(job.frame)

    def _deliver(self, job: _Job) -> None:
        if job.error is not None:
            raise job.error
        for sink in self._ordered:
            sink.write(job.frame, job.detections)
        if self._in_order.empty():
            for sink in self._ordered:
                sink.flush()
        self._tally.add(job.frame, job.detections)
        if self._on_result is not None:
            self._on_result(job.frame, job.detections)
        self._limits.check(self._tally)
