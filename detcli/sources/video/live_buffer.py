"""A source at its own pace: read in a thread, and what waits too long for whoever takes it is dropped, the oldest first.

So the newest frame is never far behind the world, however slow the network is.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.backoff import BackOff
from detcli.sources.video.video_source import StreamGap, VideoInfo, VideoSource

_LOOK_EVERY_S = 2.0  # for a source that is not there yet
_LONGEST_WAIT_S = 0.2  # of a paced source, until it looks whether it was closed


class LiveBuffer:
    """Frames of a source while they are fresh.

    source      is read as fast as it comes
    waits       a source that is not there is waited for
    max_frames  so many are handed out at most; dropped ones do not count
    paced       hold each frame back until its time: for a file, which would rush past
    waiting     so many frames may wait to be taken
    changed     notified of whatever happens; several sources may share it

    What is missing from the source itself (a `StreamGap`) is never dropped.
    """

    live = True

    def __init__(
        self,
        source: VideoSource,
        *,
        max_frames: int | None = None,
        paced: bool = False,
        waits: bool = False,
        waiting: int = 1,
        changed: threading.Condition | None = None,
    ) -> None:
        self.dropped = 0
        self._source, self._left, self._paced, self._most = source, max_frames, paced, waiting
        self._waits = waits
        self._changed = changed or threading.Condition()
        self._waiting: deque[tuple[SourceItem, float]] = deque()
        self._ended = False
        self._closed = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames that are in time."""
        self.start()
        while (taken := self.take()) is not None:
            yield taken[0]

    def start(self) -> None:
        """Begin to read; safe twice."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="live", daemon=True)
            self._thread.start()

    def is_ready(self) -> bool:
        """Whether `take` answers at once; to be asked while `changed` is held."""
        return bool(self._waiting) or self._ended or self._left == 0

    def take(self) -> tuple[SourceItem, float] | None:
        """The frame that waits longest and when it came (`time.monotonic`); waits for one. None at the end.

        Raises what the source raised, after its last frame.
        """
        with self._changed:
            self._changed.wait_for(self.is_ready)
            if self._left == 0:
                self._closed.set()
                return None
            if self._waiting:
                taken = self._waiting.popleft()
                if self._left is not None and not isinstance(taken[0], StreamGap):
                    self._left -= 1
                return taken
        if self._error is not None:
            raise self._error
        return None

    def count(self) -> int | None:
        """Nobody knows how many will be in time."""
        return None

    def facts(self) -> VideoInfo:
        """Of the source."""
        return self._source.facts()

    def close(self) -> None:
        """Let the source go; whoever waits for a frame gets what is there, and the end."""
        self._closed.set()
        self._source.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            begun = None
            for image in self._opened():
                if self._paced:
                    begun = time.monotonic() - (image.origin.time_s or 0.0) if begun is None else begun
                    self._wait_until(begun + (image.origin.time_s or 0.0))
                if self._closed.is_set():
                    break
                self._put(image)
        except BaseException as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _opened(self) -> Iterator[SourceItem]:
        """Its images, once it is there."""
        back_off = BackOff(longest_s=_LOOK_EVERY_S)
        while True:
            try:
                return iter(self._source)
            except SourceError as error:
                if not (self._waits and may_come(error)):
                    raise
            if self._closed.wait(back_off.pause_s()):
                return iter(())

    def _put(self, image: SourceItem) -> None:
        with self._changed:
            self._waiting.append((image, time.monotonic()))
            frames = [item for item in self._waiting if not isinstance(item[0], StreamGap)]
            if len(frames) > self._most:
                self._waiting.remove(frames[0])
                self.dropped += 1
            self._changed.notify_all()

    def _wait_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0 and not self._closed.wait(min(left, _LONGEST_WAIT_S)):
            pass


def may_come(error: SourceError) -> bool:
    """Whether a source that cannot be opened may be there later: a camera that starts, a network that is down."""
    return error.code == "not-found" and not error.refused
