"""Reads a live source in a thread and drops the oldest frames that wait too long.

So the newest frame is never far behind real time, also with a slow network.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.backoff import BackOff
from detcli.sources.video.video_source import StreamGap, VideoInfo, VideoSource

_MAX_PAUSE_S = 2.0  # between attempts to open a source that is missing
_MAX_WAIT_S = 0.2  # of a paced source, until it checks whether it was closed


class LiveBuffer:
    """The latest frames of a source.

    source      is read as fast as its frames arrive
    max_frames  maximum number of frames returned; dropped ones do not count
    paced       hold each frame back until its time: for a file
    waits       wait for a source that is missing
    capacity    maximum number of frames that wait to be taken
    changed     notified of each event; several sources may share it

    Frames missing from the source itself (a `StreamGap`) are never dropped.
    """

    live = True

    def __init__(
        self,
        source: VideoSource,
        *,
        max_frames: int | None = None,
        paced: bool = False,
        waits: bool = False,
        capacity: int = 1,
        changed: threading.Condition | None = None,
    ) -> None:
        self.dropped = 0
        self._source, self._frames_left, self._paced, self._capacity = source, max_frames, paced, capacity
        self._waits = waits
        self._changed = changed or threading.Condition()
        self._waiting: deque[tuple[SourceItem, float]] = deque()
        self._ended = False
        self._closed = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames that were not dropped."""
        self.start()
        while (taken := self.take()) is not None:
            yield taken[0]

    def start(self) -> None:
        """Start to read; may be called twice."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="live", daemon=True)
            self._thread.start()

    def is_ready(self) -> bool:
        """Whether `take` returns at once; call it while `changed` is held."""
        return bool(self._waiting) or self._ended or self._frames_left == 0

    def take(self) -> tuple[SourceItem, float] | None:
        """The oldest waiting item and when it arrived (`time.monotonic`); waits for one. None at the end.

        Raises what the source raised, after its last item.
        """
        with self._changed:
            self._changed.wait_for(self.is_ready)
            if self._frames_left == 0:
                self._closed.set()
                return None
            if self._waiting:
                taken = self._waiting.popleft()
                if self._frames_left is not None and not isinstance(taken[0], StreamGap):
                    self._frames_left -= 1
                return taken
        if self._error is not None:
            raise self._error
        return None

    def count(self) -> int | None:
        """None: the number of dropped frames is unknown in advance."""
        return None

    def info(self) -> VideoInfo:
        """What the source reports."""
        return self._source.info()

    def close(self) -> None:
        """Close the source; a waiting `take` gets the frames that are there, then the end."""
        self._closed.set()
        self._source.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            start = None
            for item in self._opened():
                if self._paced:
                    start = time.monotonic() - (item.origin.time_s or 0.0) if start is None else start
                    self._wait_until(start + (item.origin.time_s or 0.0))
                if self._closed.is_set():
                    break
                self._put(item)
        except BaseException as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _opened(self) -> Iterator[SourceItem]:
        """The items of the source, once it can be opened."""
        back_off = BackOff(max_s=_MAX_PAUSE_S)
        while True:
            try:
                return iter(self._source)
            except SourceError as error:
                if not (self._waits and may_appear_later(error)):
                    raise
            if self._closed.wait(back_off.pause_s()):
                return iter(())

    def _put(self, item: SourceItem) -> None:
        with self._changed:
            self._waiting.append((item, time.monotonic()))
            frames = [waiting for waiting in self._waiting if not isinstance(waiting[0], StreamGap)]
            if len(frames) > self._capacity:
                self._waiting.remove(frames[0])
                self.dropped += 1
            self._changed.notify_all()

    def _wait_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0 and not self._closed.wait(min(left, _MAX_WAIT_S)):
            pass


def may_appear_later(error: SourceError) -> bool:
    """Whether a source that cannot be opened may appear later: a camera that starts, a network that is down."""
    return error.code == "not-found" and not error.refused
