"""One source of a multiplexer: opened, asked for its next item, closed. Its errors become items too."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.live_buffer import LiveBuffer, may_appear_later
from detcli.sources.video.video_source import StreamGap, VideoInfo, VideoSource, gap_origin


@dataclass(frozen=True, slots=True)
class ChannelSource:
    """A source and how the multiplexer reads it.

    file        as messages and results show it
    name        unique name of the source: the folder of its frames' names
    video       read by this channel only; of a live one, late frames are dropped
    max_frames  maximum number of frames returned from a live source
    paced       hold the frames of a live source back until their time
    waits       where it is missing at the beginning, wait for it
    is_file     `file` is the path of a file
    flat_name   what `{name}` in outputs stands for: unique among all sources of the run, and of its other shards
    argument    that names the source, with its credentials
    """

    file: str
    name: str
    video: VideoSource
    max_frames: int | None = None
    paced: bool = False
    waits: bool = False
    is_file: bool = False
    flat_name: str = ""
    argument: str = field(default="", repr=False)


class Channel:
    """A source while it is read.

    error       why it cannot be opened, or was lost; None where there is no error
    known_info  what it reports, once it is open
    last_index  index of its latest item in the complete input
    changed     notified of each event of a live source
    """

    def __init__(self, source: ChannelSource, changed: threading.Condition) -> None:
        self.source = source
        self.error: SourceError | None = None
        self.last_index = -1
        self.known_info: VideoInfo | None = None
        self._live = (
            LiveBuffer(
                source.video, max_frames=source.max_frames, paced=source.paced, waits=source.waits, changed=changed
            )
            if source.video.live
            else None
        )
        self._items: Iterator[SourceItem] | None = None
        self._next_frame, self._time_s = 0, 0.0
        self._ended = False

    @property
    def dropped(self) -> int:
        """Number of frames dropped so far."""
        return self._live.dropped if self._live is not None else self.source.video.dropped

    def open(self) -> None:
        """Open it; an error is kept in `error` and becomes its item."""
        try:
            self.known_info = self.source.video.info()
        except SourceError as error:
            self.error = error

    def info(self) -> VideoInfo | None:
        """What it reports; None where it cannot be opened, or is waited for."""
        if self.known_info is None and self.error is None and self._live is None:
            self.open()
        return self.known_info

    def count(self) -> int | None:
        """The expected number of items, where it is known."""
        if self.error is not None:
            return 1  # the item that reports the error
        return None if self._live is not None or self.known_info is None else self.source.video.count()

    def is_ready(self) -> bool:
        """Whether `take` returns without waiting for a live source."""
        if self._live is None or self.error is not None or self._ended:
            return True
        self._live.start()
        return self._live.is_ready()

    def take(self) -> tuple[SourceItem, float] | None:
        """The next item and when it arrived; None at the end."""
        if self._ended:
            return None
        try:
            if self.error is not None:
                raise self.error
            taken = self._live.take() if self._live is not None else self._read_next()
        except SourceError as error:
            if self.error is not None and self._live is not None and self.source.waits and may_appear_later(error):
                self.error = None  # reported once; from here on it is waited for
            else:
                self.error = error
                self._end()
            origin = gap_origin(0, file=self.source.file, source="", frame=self._next_frame, time_s=self._time_s)
            return StreamGap(origin, error.code, error.reason), time.monotonic()
        if taken is None:
            self._end()
            return None
        if self.known_info is None and self._live is not None:
            self.known_info = self.source.video.info()
        origin = taken[0].origin
        if origin.frame is not None and not isinstance(taken[0], StreamGap):
            self._next_frame, self._time_s = origin.frame + 1, origin.time_s or 0.0
        return taken

    def close(self) -> None:
        """Close it; ends a `take` that waits."""
        (self._live or self.source.video).close()

    def _read_next(self) -> tuple[SourceItem, float] | None:
        if self._items is None:
            self._items = iter(self.source.video)
        item = next(self._items, None)
        return None if item is None else (item, time.monotonic())

    def _end(self) -> None:
        self._ended = True
        self.close()
