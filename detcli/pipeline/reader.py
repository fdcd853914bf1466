"""Reads, decodes and prepares images ahead of the network, in threads, and hands them on in the input's order."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import cast

from detcli.pipeline.backpressure import InFlightLimit
from detcli.pipeline.detector_protocol import DetectorProtocol
from detcli.sources.source import Source, SourceItem
from detcli.structures.frame import FailedFrame, Frame

_POLL_S = 0.1  # how long a wait for input may keep a signal, or a sink that failed, from being noticed


class _Slot:
    """An image's place in the order, filled by whichever thread reads it."""

    def __init__(self, image: SourceItem) -> None:
        self.image = image
        self.ready = threading.Event()
        self.frame: Frame | FailedFrame | None = None
        self.bug: BaseException | None = None


class Reader:
    """One thread lists the source, `workers` threads read it; use as a context manager around `take`.

    keep_pixels  somebody looks at the full-size pixels after the network; else only the resized ones are kept
    """

    def __init__(
        self,
        source: Source,
        detector: DetectorProtocol,
        room: InFlightLimit,
        *,
        workers: int,
        keep_pixels: bool,
    ) -> None:
        self._source, self._detector, self._room = source, detector, room
        self._resize = None if keep_pixels else detector.resize
        self._to_read: SimpleQueue[_Slot | None] = SimpleQueue()
        self._turn = threading.Lock()  # of the threads that read, to take a slot and wait for its room
        self._in_order: SimpleQueue[_Slot | None] = SimpleQueue()
        self._listing_error: BaseException | None = None
        self._front: _Slot | None = None  # taken from the queue, not yet handed on
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
        self._room.close()
        for _ in self._threads[1:]:
            self._to_read.put(None)
        if self._ended:
            for thread in self._threads:
                thread.join()
        # Else not joined: a thread may hang in a read of the network or of a pipe; they are daemons, and hold no output.

    def take(self, most: int, stopped: Callable[[], bool], *, wait: bool) -> list[Frame | FailedFrame]:
        """The next frames in order, so many as are ready, at most `most`.

        stopped  asked again and again while nothing is ready: True ends the wait
        wait     for the first one, so that none means the end of the source; else nothing is waited for

        A deterministic detector gets all frames of a batch that is counted from the start of the input, wherever the
        run began.
        """
        return list(self._take(most, stopped, wait))

    def check_listing(self) -> None:
        """Raise what listing the source raised."""
        if self._listing_error is not None:
            raise self._listing_error

    def _take(self, most: int, stopped: Callable[[], bool], wait: bool) -> Iterator[Frame | FailedFrame]:
        left = most
        while left > 0 and (slot := self._next(wait=wait, stopped=stopped)) is not None:
            if slot.bug is not None:
                raise slot.bug
            if self._detector.deterministic:
                size = self._detector.batch_size
                left = size - slot.image.origin.index % size
            yield cast("Frame | FailedFrame", slot.frame)
            wait = self._detector.deterministic
            left -= 1

    def _next(self, *, wait: bool, stopped: Callable[[], bool]) -> _Slot | None:
        """The next slot once it is filled; None at the end, on a stop, and when `wait` is off and it is not filled."""
        while self._front is None:
            if self._ended or stopped():
                return None
            try:
                self._front = self._in_order.get(timeout=_POLL_S if wait else 0)
            except Empty:
                if not wait:
                    return None
                continue
            if self._front is None:
                self._ended = True
        while not self._front.ready.wait(_POLL_S if wait else 0):
            if not wait or stopped():
                return None
        slot, self._front = self._front, None
        return slot

    def _list(self) -> None:
        try:
            images = iter(self._source)
            # Room first, then the image: one of a camera would grow old while it waits for room.
            while self._room.enter() and (image := next(images, None)) is not None:
                slot = _Slot(image)
                self._in_order.put(slot)
                self._to_read.put(slot)
        except BaseException as error:
            self._listing_error = error
        self._in_order.put(None)

    def _read(self) -> None:
        while (slot := self._next_to_read()) is not None:
            try:
                frame = self._detector.prepare(slot.image(self._resize))
                if isinstance(frame, Frame) and self._resize is not None:
                    frame = frame.without_pixels()
                self._room.hold(frame)
                slot.frame = frame
            except BaseException as error:
                slot.bug = error
            slot.ready.set()

    def _next_to_read(self) -> _Slot | None:
        """The next slot once there is room for its image; None where nothing is to be read any more."""
        with self._turn:
            slot = self._to_read.get()
            return slot if slot is not None and self._room.begin() else None
