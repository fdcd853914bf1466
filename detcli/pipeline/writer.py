"""Draws, encodes and writes results behind the detector, in threads; sinks that need the input order get it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import SimpleQueue
from types import TracebackType

from detcli.pipeline.backpressure import InFlightLimit
from detcli.pipeline.failure_policy import FailurePolicy
from detcli.pipeline.in_flight import InFlight
from detcli.pipeline.statistics import RunStats
from detcli.sinks.sink import Sink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

OnResult = Callable[[Frame | FailedFrame, Detections | FailedFrame], None]


class Writer:
    """`workers` threads serve the sinks without an order, one more thread those with one; use as a context manager.

    A result reaches the ordered sinks, the statistics and `on_result` only after every other sink has it: a result in
    the journal means that its image is on the disk. The first error is raised by the next `write`, or at the end of the
    context; results after it are dropped. `failed` tells it before.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        limit: InFlightLimit,
        stats: RunStats,
        failures: FailurePolicy,
        *,
        workers: int,
        on_result: OnResult | None,
    ) -> None:
        self._ordered = [sink for sink in sinks if sink.ordered]
        self._unordered = [sink for sink in sinks if not sink.ordered]
        self._limit, self._stats, self._failures, self._on_result = limit, stats, failures, on_result
        self._to_draw: SimpleQueue[InFlight | None] = SimpleQueue()
        self._in_order: SimpleQueue[InFlight | None] = SimpleQueue()
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

    def write(self, entry: InFlight) -> None:
        """Pass one result on; returns at once."""
        if self._error is not None:
            raise self._error
        frame = entry.frame
        if isinstance(frame, Frame) and frame.prepared is not None:
            self._limit.release(replace(frame, pixels=None))
            entry.frame = replace(frame, prepared=None)
        if self._unordered:
            self._to_draw.put(entry)
        else:
            entry.is_drawn.set()
        self._in_order.put(entry)

    def _draw(self) -> None:
        while (entry := self._to_draw.get()) is not None:
            try:
                if self._error is None:
                    for sink in self._unordered:
                        sink.write(*entry.result)
            except BaseException as error:
                entry.error = error
            entry.is_drawn.set()

    def _write(self) -> None:
        while (entry := self._in_order.get()) is not None:
            entry.is_drawn.wait()
            try:
                if self._error is None:
                    self._deliver(entry)
            except BaseException as error:
                self._error = error
            self._limit.leave(entry.image)

    def _deliver(self, entry: InFlight) -> None:
        if entry.error is not None:
            raise entry.error
        frame, detections = entry.result
        for sink in self._ordered:
            sink.write(frame, detections)
        if self._in_order.empty():
            for sink in self._ordered:
                sink.flush()
        self._stats.add(frame, detections)
        if self._on_result is not None:
            self._on_result(frame, detections)
        self._failures.check(self._stats.failed)
