"""Reads, decodes and prepares images ahead of the detector, in threads, and returns them in input order."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import TracebackType

from detcli.inference.batches.batching import DeterministicBatch
from detcli.pipeline.backpressure import InFlightLimit
from detcli.pipeline.detector_protocol import DetectorProtocol, resize_of
from detcli.pipeline.in_flight import InFlight
from detcli.sources.source import Prefetchable, Source
from detcli.structures.frame import Frame

_POLL_S = 0.1  # how long a wait for input may delay the reaction to a signal, or to a sink that failed


class Reader:
    """One thread lists the source, `workers` threads read it; use as a context manager around `take`.

    keep_pixels  the full-size pixels are needed after the detector; otherwise only the resized ones are kept
    """

    def __init__(
        self,
        source: Source,
        detector: DetectorProtocol,
        limit: InFlightLimit,
        *,
        workers: int,
        keep_pixels: bool,
    ) -> None:
        self._source, self._detector, self._limit = source, detector, limit
        self._resize = None if keep_pixels else resize_of(detector)
        self._to_read: SimpleQueue[InFlight | None] = SimpleQueue()
        self._turn = threading.Lock()  # of the reading threads, to take an entry and wait until its pixels fit
        self._in_order: SimpleQueue[InFlight | None] = SimpleQueue()
        self._listing_error: BaseException | None = None
        self._next_entry: InFlight | None = None  # taken from the queue, not yet returned
        self._ended = False
        self._threads = [threading.Thread(target=self._list, name="list", daemon=True)]
        self._threads += [threading.Thread(target=self._read, name=f"read-{i}", daemon=True) for i in range(workers)]

    def __enter__(self) -> "Reader":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limit.close()
        for _ in self._threads[1:]:
            self._to_read.put(None)
        if self._ended:
            for thread in self._threads:
                thread.join()
        # Otherwise not joined: a thread may hang in a read of the network or of a pipe. They are daemons, and hold no
        # output.

    def take(self, limit: int, stopped: Callable[[], bool], *, wait: bool) -> list[InFlight]:
        """The next frames in order: those that are ready, at most `limit`.

        stopped  called again and again while no frame is ready: True ends the wait
        wait     wait for the first frame, so that an empty list means the end of the source; otherwise never wait

        A deterministic detector gets a whole batch of frames with different slots, which follow from their positions in
        the input. Batches of frames in a row are counted from the start of the input, wherever the run started.
        """
        return list(self._take(limit, stopped, wait))

    def check_listing(self) -> None:
        """Raise what listing the source raised."""
        if self._listing_error is not None:
            raise self._listing_error

    def _take(self, limit: int, stopped: Callable[[], bool], wait: bool) -> Iterator[InFlight]:
        batch = DeterministicBatch(self._detector.batch_size) if self._detector.deterministic else None
        left = limit if batch is None else self._detector.batch_size
        while left > 0 and (entry := self._next(wait=wait, stopped=stopped)) is not None:
            if entry.error is not None:
                raise entry.error
            if batch is not None and not batch.add(entry.image.origin.index):
                self._next_entry = entry
                return
            yield entry
            wait = batch is not None
            left -= 1

    def _next(self, *, wait: bool, stopped: Callable[[], bool]) -> InFlight | None:
        """The next entry once it is read; None at the end, on a stop, and without `wait` where it is not read yet."""
        while self._next_entry is None:
            if self._ended or stopped():
                return None
            try:
                self._next_entry = self._in_order.get(timeout=_POLL_S if wait else 0)
            except Empty:
                if not wait:
                    return None
                continue
            if self._next_entry is None:
                self._ended = True
        while not self._next_entry.is_read.wait(_POLL_S if wait else 0):
            if not wait or stopped():
                return None
        entry, self._next_entry = self._next_entry, None
        return entry

    def _list(self) -> None:
        try:
            items = iter(self._source)
            # The limit first, then the item: a camera's frame would grow old while it waits for the limit.
            while self._limit.enter() and (item := next(items, None)) is not None:
                if isinstance(item, Prefetchable):
                    item.prefetch()
                entry = InFlight(item)
                self._in_order.put(entry)
                self._to_read.put(entry)
        except BaseException as error:
            self._listing_error = error
        self._in_order.put(None)

    def _read(self) -> None:
        while (entry := self._next_to_read()) is not None:
            try:
                frame = self._detector.prepare(entry.read(self._resize))
                if isinstance(frame, Frame) and self._resize is not None:
                    frame = frame.without_pixels()
                self._limit.hold(frame)
                entry.frame = frame
            except BaseException as error:
                entry.error = error
            entry.is_read.set()

    def _next_to_read(self) -> InFlight | None:
        """The next entry once its pixels may be read; None at the end."""
        with self._turn:
            entry = self._to_read.get()
            return entry if entry is not None and self._limit.begin() else None
