"""One of several video sources: opened, asked for its next image, closed; what is wrong with it becomes an image too."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.live_buffer import LiveBuffer, may_come
from detcli.sources.video.video_source import StreamGap, VideoInfo, VideoSource, gap_origin


@dataclass(frozen=True, slots=True)
class ChannelSource:
    """One of the sources.

    file        as messages and results show it
    place       the folder of its frames' names, no two of a run the same
    source      not read by anybody else; where it is live, late frames are dropped
    max_frames  of a live source: hand out so many at most
    paced       hold a live source's frames back until their time
    waits       where it is not there at the beginning, it is waited for
    is_file     `file` is the path of a file
    """

    file: str
    place: str
    source: VideoSource
    max_frames: int | None = None
    paced: bool = False
    waits: bool = False
    is_file: bool = False


class Channel:
    """A part while it is read.

    error       why it cannot be opened, or was lost; None where nothing is known against it
    known       what it says of itself, once it is open
    last_index  where its last image so far stands among those of all
    changed     notified of whatever happens to a live one
    """

    def __init__(self, part: ChannelSource, changed: threading.Condition) -> None:
        self.part = part
        self.error: SourceError | None = None
        self.last_index = -1
        self.known: VideoInfo | None = None
        self._live = (
            LiveBuffer(part.source, max_frames=part.max_frames, paced=part.paced, waits=part.waits, changed=changed)
            if part.source.live
            else None
        )
        self._images: Iterator[SourceItem] | None = None
        self._next_frame, self._time_s = 0, 0.0
        self._ended = False

    @property
    def dropped(self) -> int:
        """Frames that waited too long, so far."""
        return self._live.dropped if self._live is not None else self.part.source.dropped

    def open(self) -> None:
        """Open it; what is wrong waits in `error` for its turn."""
        try:
            self.known = self.part.source.facts()
        except SourceError as error:
            self.error = error

    def facts(self) -> VideoInfo | None:
        """What it says of itself; None where it cannot be opened, or is waited for."""
        if self.known is None and self.error is None and self._live is None:
            self.open()
        return self.known

    def count(self) -> int | None:
        """How many images there will be, where that is known."""
        if self.error is not None:
            return 1  # the record that says so
        return None if self._live is not None or self.known is None else self.part.source.count()

    def is_ready(self) -> bool:
        """Whether `take` need not wait for the world."""
        if self._live is None or self.error is not None or self._ended:
            return True
        self._live.start()
        return self._live.is_ready()

    def take(self) -> tuple[SourceItem, float] | None:
        """The next image and when it came; None at the end."""
        if self._ended:
            return None
        try:
            if self.error is not None:
                raise self.error
            taken = self._live.take() if self._live is not None else self._pull()
        except SourceError as error:
            if self.error is not None and self._live is not None and self.part.waits and may_come(error):
                self.error = None  # told once; from here on it is waited for
            else:
                self.error = error
                self._end()
            origin = gap_origin(0, file=self.part.file, place="", frame=self._next_frame, time_s=self._time_s)
            return StreamGap(origin, error.code, self.why(error)), time.monotonic()
        if taken is None:
            self._end()
            return None
        if self.known is None and self._live is not None:
            self.known = self.part.source.facts()
        origin = taken[0].origin
        if origin.frame is not None and not isinstance(taken[0], StreamGap):
            self._next_frame, self._time_s = origin.frame + 1, origin.time_s or 0.0
        return taken

    def why(self, error: SourceError) -> str:
        """The error without the name of the source, which stands next to it in results and messages."""
        return str(error).removeprefix(f"cannot read '{self.part.file}': ")

    def close(self) -> None:
        """Let go of it; ends a `take` that waits."""
        (self._live or self.part.source).close()

    def _pull(self) -> tuple[SourceItem, float] | None:
        if self._images is None:
            self._images = iter(self.part.source)
        image = next(self._images, None)
        return None if image is None else (image, time.monotonic())

    def _end(self) -> None:
        self._ended = True
        self.close()
