"""Frames of a source for programs: each one is read when the loop reaches it."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from detcli.shard import Shard
from detcli.sources.source import Source
from detcli.sources.video.multiplexer import Multiplexer
from detcli.sources.video.video_source import VideoInfo
from detcli.structures.frame import FailedFrame, Frame


class ImageFrames:
    """Iterates over images; each iteration starts at the first image.

    Images of watched folders are iterated over once, until `close()` or the end of a `with` block.
    """

    def __init__(self, source: Source, shard: Shard | None = None, close: Callable[[], None] | None = None) -> None:
        self._source, self._shard, self._close = source, shard, close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop watching folders; may be called twice, and from another thread."""
        if self._close is not None:
            self._close()

    def __iter__(self) -> Iterator[Frame | FailedFrame]:
        """Read one image after the other; an image that cannot be read is a FailedFrame."""
        for item in self._source:
            if self._shard is None or self._shard.has(item.origin.index):
                yield item()

    def count(self) -> int | None:
        """The number of images; None where it is unknown before they are read. Lists folders, reads no image."""
        total = self._source.count()
        return total if self._shard is None or total is None else self._shard.size(total)


class VideoFrames:
    """Iterates once over the frames of an open video; `close()` or a `with` block closes it.

    info  what the video reports: size, rate, number of frames, duration, audio
    live  frames that wait too long are dropped
    """

    def __init__(self, video: Multiplexer) -> None:
        info = video.info(video.sources[0].name)
        if info is None:
            raise ValueError("the video is not open")
        self.info: VideoInfo = info
        self.live = video.live
        self._video = video
        self._items = iter(video)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame | FailedFrame:
        """The next frame; missing frames, and the loss of the stream, are a FailedFrame."""
        try:
            item = next(self._items)
        except BaseException:  # also the end of the video
            self.close()
            raise
        return item()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """The number of frames dropped so far."""
        return self._video.dropped

    def count(self) -> int | None:
        """The expected number of frames; None where it is unknown."""
        return self._video.count()

    def close(self) -> None:
        """Close the video; may be called twice."""
        self._video.close()
