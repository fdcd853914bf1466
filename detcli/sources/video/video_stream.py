"""A video file, a video on standard input, or a network stream, decoded by FFmpeg through PyAV.

A lost stream is reopened; frames that are missing meanwhile are a gap, and never invented.
"""

import threading
from collections.abc import Iterator

from detcli.sources.source import SourceItem
from detcli.sources.video.backoff import BackoffClock
from detcli.sources.video.ffmpeg.container import ContainerLimits
from detcli.sources.video.ffmpeg.decoder import MissingFrames
from detcli.sources.video.ffmpeg.rotation import LazyVideoFrame
from detcli.sources.video.frame_sampler import FrameSampler
from detcli.sources.video.protocols import access_of
from detcli.sources.video.stream_reader import StreamReader
from detcli.sources.video.video_source import StreamGap, VideoInfo, VideoSettings, frame_origin, gap_origin


class VideoStream:
    """The frames of a video, decoded during the iteration.

    argument    a file, an address (http, https, rtsp, rtmp, udp, …) or "-"
    settings    which frames are read
    index_from  index of its first frame in the complete input
    limits      how long a server may be silent
    clock       the real time; tests have their own

    Raises UsageError for an unsupported kind of address.
    """

    dropped = 0

    def __init__(
        self,
        argument: str,
        settings: VideoSettings,
        *,
        index_from: int = 0,
        limits: ContainerLimits | None = None,
        clock: BackoffClock | None = None,
    ) -> None:
        self._access = access_of(argument)
        self._settings, self._index_from = settings, index_from
        self.live = self._access.live if settings.live is None else settings.live
        self._closed = threading.Event()
        self._reader = StreamReader(
            self._access,
            settings,
            live=self.live,
            limits=limits or ContainerLimits(),
            clock=clock or BackoffClock(),
            closed=self._closed,
        )
        self._lock = threading.Lock()  # of `_reader` until an iteration owns it, and of what follows
        self._info: VideoInfo | None = None
        self._is_iterated = False

    def __repr__(self) -> str:
        return f"VideoStream({self._access.display_name!r})"

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames in order of time; missing frames are a `StreamGap`. Works once. Raises SourceError."""
        self.info()
        with self._lock:
            if self._is_iterated:
                raise RuntimeError("a video can be iterated only once")
            self._is_iterated = True
        return self._frames()

    def count(self) -> int | None:
        """The expected number of frames, by what the file reports; it may be wrong by a few."""
        info, settings = self.info(), self._settings
        if self.live or (info.duration_s is None and info.frames is None):
            return settings.max_frames
        rate = info.rate or (info.frames / info.duration_s if info.frames and info.duration_s else None)
        count = info.frames if info.frames is not None else round((info.duration_s or 0.0) * (rate or 0.0))
        if rate is not None and (settings.start_s or settings.duration_s is not None or settings.fps is not None):
            seconds = max(count / rate - settings.start_s, 0.0)
            seconds = min(seconds, settings.duration_s) if settings.duration_s is not None else seconds
            count = round(seconds * (min(rate, settings.fps * settings.stride) if settings.fps else rate))
        count = -(-count // settings.stride)
        return count if settings.max_frames is None else min(count, settings.max_frames)

    def info(self) -> VideoInfo:
        """What is known about the video; opens it and decodes its first frame. Raises SourceError."""
        with self._lock:
            if self._info is None:
                self._info = self._reader.open()
                if self._closed.is_set():
                    self._close_uniterated()
            return self._info

    def close(self) -> None:
        """Close it; an iteration in another thread ends with its next frame, or after the server's time limit."""
        self._closed.set()
        if self._lock.acquire(blocking=False):  # otherwise the thread that opens it closes it
            try:
                self._close_uniterated()
            finally:
                self._lock.release()

    def _close_uniterated(self) -> None:
        if not self._is_iterated:
            self._reader.close()

    def _frames(self) -> Iterator[SourceItem]:
        sampler, index, next_number = FrameSampler(self._settings), self._index_from, 0
        file, source = self._access.display_name, self._access.source_name
        try:
            for item in self._reader:
                if self._closed.is_set() or sampler.is_over(item.time_s):
                    return
                if isinstance(item, MissingFrames):
                    if item.time_s < self._settings.start_s:
                        continue
                    origin = gap_origin(index, file=file, source=source, frame=next_number, time_s=item.time_s)
                    yield StreamGap(origin, item.code, item.message)
                else:
                    next_number = item.number + 1
                    if not sampler.takes(item.time_s):
                        continue
                    origin = frame_origin(index, file=file, source=source, frame=item.number, time_s=item.time_s)
                    yield LazyVideoFrame(origin, item.decoded)
                index += 1
                if sampler.is_over(item.time_s):
                    return
        finally:
            self._reader.close()
