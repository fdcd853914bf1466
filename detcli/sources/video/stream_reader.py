"""Reads the decoded frames of a video file or stream, and reopens a stream that is lost."""

import math
import os
import threading
from collections.abc import Iterator
from itertools import count

from detcli.errors import SourceError, StreamAccessError
from detcli.sources.video.backoff import BackOff, BackoffClock, wait_for_server
from detcli.sources.video.ffmpeg.container import ContainerLimits, OpenContainer, open_av
from detcli.sources.video.ffmpeg.decoder import DecodedFrame, MissingFrames, UnprovenPositionError, VideoDecoder
from detcli.sources.video.ffmpeg.demuxer import LostError
from detcli.sources.video.ffmpeg.rotation import upright_size_hw
from detcli.sources.video.ffmpeg.timestamps import Timeline
from detcli.sources.video.ffmpeg.traits import traits_of
from detcli.sources.video.protocols import StreamAccess
from detcli.sources.video.video_source import VideoInfo, VideoSettings

_MAX_ATTEMPTS = 10  # to resume a file behind an address, about two and a half minutes; a live stream has no limit
_MAX_INFO_RATE = 1000.0  # frames per second; headers with a higher value mean the ticks of their clock


class StreamReader:
    """The frames of a video over all its openings; used by one thread at a time.

    access    how the source is reached
    settings  `start_s`, `duration_s`, `reconnect` and `max_pixels` are used
    live      decode with low delay
    limits    how long a server may be silent
    clock     the real time; tests have their own
    closed    set where another thread closes the source: waits end
    """

    def __init__(
        self,
        access: StreamAccess,
        settings: VideoSettings,
        *,
        live: bool,
        limits: ContainerLimits,
        clock: BackoffClock,
        closed: threading.Event,
    ) -> None:
        self._access, self._settings, self._live = access, settings, live
        self._limits, self._clock, self._closed = limits, clock, closed
        self._timeline = Timeline(clock)
        self._finite = True  # of the latest opening
        self._may_skip = True  # until a position was not proven
        self._decoder: VideoDecoder | None = None
        self._items: Iterator[DecodedFrame | MissingFrames] | None = None
        self._read_ahead: list[DecodedFrame | MissingFrames] = []

    def open(self) -> VideoInfo:
        """Open the source and decode its first frame. Raises SourceError."""
        return self._info_of(self._open(start_s=self._settings.start_s, resume=False))

    def close(self) -> None:
        """Close the source; not while another thread iterates."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder, self._items, self._read_ahead = None, None, []

    def __iter__(self) -> Iterator[DecodedFrame | MissingFrames]:
        """The frames of all openings, one after the other. Raises SourceError where the stream is lost for good."""
        back_off, begun = BackOff(), self._clock.now()
        next_number, last_s = 0, 0.0
        while True:
            try:
                for item in self._items_of_opening():
                    if isinstance(item, DecodedFrame):
                        next_number, last_s = item.number + 1, item.time_s
                    yield item
                return
            except UnprovenPositionError:
                if self._closed.is_set():
                    return
                self._read_through()
                continue
            except LostError as lost:
                reason = str(lost)
            back_off.ran_for(self._timeline.heard - begun)
            if not self._settings.reconnect:
                raise SourceError("gap", self._lost(last_s, reason))
            if not self._finite:  # reported at once: it is unknown whether and when the stream comes back
                yield MissingFrames("gap", f"the stream was lost: {reason}", last_s)
            if not self._reopen(next_number, last_s, reason, back_off):
                return
            begun = self._clock.now()

    def _items_of_opening(self) -> Iterator[DecodedFrame | MissingFrames]:
        read_ahead, self._read_ahead = self._read_ahead, []
        yield from read_ahead
        if self._items is not None:
            yield from self._items

    def _open(self, *, start_s: float, resume: bool, next_number: int = 0) -> OpenContainer:
        """Open the source and wait for its first frame. Raises SourceError."""
        resume_s = self._timeline.last_s if resume else None
        opened = open_av(
            self._access,
            self._limits,
            max_pixels=self._settings.max_pixels,
            low_delay=self._live,
            closed=self._closed,
        )
        self._finite = opened.finite
        rate = opened.stream.average_rate
        self._timeline.start_opening(
            opened.base, 1 / rate if rate else None, by_arrival=opened.by_arrival, new_clock=not resume
        )
        decoder = VideoDecoder(
            opened,
            self._timeline,
            number_from=next_number,
            start_s=start_s,
            resume_s=resume_s,
            may_skip=self._may_skip and self._can_reopen(opened),
        )
        items, read_ahead = iter(decoder), []
        try:
            for item in items:
                read_ahead.append(item)
                if isinstance(item, DecodedFrame):
                    self._decoder, self._items, self._read_ahead = decoder, items, read_ahead
                    return opened
        except LostError as lost:
            decoder.close()
            raise self._lost_before_first_frame(opened, lost) from None
        except UnprovenPositionError:
            decoder.close()
            self._may_skip = False
            self._timeline.restore(resume_s)
            return self._open(start_s=start_s, resume=resume, next_number=next_number)
        except BaseException:
            decoder.close()
            raise
        if resume:  # no frame is left: the file had ended
            self._decoder, self._items, self._read_ahead = decoder, None, read_ahead
            return opened
        decoder.close()
        reason = "no frame of it can be decoded"
        if self._access.kind == "pipe" and opened.is_mp4:
            reason = (
                "an MP4 file cannot be read from a pipe: pipe MPEG-TS or Matroska, as by "
                "'ffmpeg -i a.mp4 -c copy -f mpegts -'"
            )
        raise self._access.error("decode-failed", reason)

    def _read_through(self) -> None:
        """Start again, and decode all frames: the first one after skipped ones was not proven to be in its place."""
        self.close()
        self._may_skip = False
        self._timeline.rewind()
        self._open(start_s=self._settings.start_s, resume=False)

    def _can_reopen(self, opened: OpenContainer) -> bool:
        """Whether the same frames can be read again from the beginning."""
        if self._access.kind == "file":
            return os.path.isfile(self._access.display_name)  # noqa: PTH113 - any name; not a named pipe
        return self._access.kind == "object" or (opened.remote and opened.finite)

    def _lost_before_first_frame(self, opened: OpenContainer, lost: LostError) -> SourceError:
        reason = f"{lost}, before its first frame"
        if opened.finite and opened.is_mp4:
            reason += "; the server cannot send parts of a file, and this MP4 ends with its index: download it and read the file"
        return self._access.error("not-found", reason)

    def _reopen(self, next_number: int, last_s: float, reason: str, back_off: BackOff) -> bool:
        """Reopen a lost stream, with as many attempts as needed; False where it is closed or its duration is over.

        Raises SourceError where the server refuses it, or a file is missing now.
        """
        self.close()
        end = self._timeline.heard + self._left_s(last_s)
        for attempt in count(1):
            pause_s = min(back_off.pause_s(), end - self._clock.now())
            wait_for_server(self._access.server, pause_s, self._clock, self._closed)
            if self._closed.is_set() or self._clock.now() >= end:
                return False
            try:
                self._open(start_s=0.0, resume=self._finite, next_number=next_number)
            except SourceError as error:
                if error.refused:
                    raise StreamAccessError(error.code, f"{self._lost(last_s, reason)}, and then: {error}") from None
                if self._finite and attempt == _MAX_ATTEMPTS:
                    message = f"{self._lost(last_s, reason)}, and cannot be reopened: {error}"
                    raise SourceError("gap", message) from None
                continue
            return True
        return False

    def _lost(self, last_s: float, reason: str) -> str:
        return f"the stream {self._access.quoted_name} was lost after {last_s:.1f} s ({reason})"

    def _left_s(self, time_s: float) -> float:
        """How long frames of a live source are needed after this time; a file has no limit."""
        settings = self._settings
        if self._finite or settings.duration_s is None:
            return math.inf
        return settings.start_s + settings.duration_s - time_s

    def _info_of(self, opened: OpenContainer) -> VideoInfo:
        stream = opened.stream
        first = next(item for item in self._read_ahead if isinstance(item, DecodedFrame))
        rate = None if opened.by_arrival else stream.average_rate or stream.guessed_rate
        seconds = None
        if opened.finite and stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif opened.finite and opened.container.duration:
            seconds = opened.container.duration / 1e6
        return VideoInfo(
            self._access.display_name,
            upright_size_hw(first.decoded),
            float(rate) if rate and rate < _MAX_INFO_RATE else None,
            stream.frames if opened.finite and stream.frames > 0 else None,
            seconds if seconds and seconds > 0 else None,
            opened.sound,
            opened.choice,
            traits_of(stream, first.decoded),
        )
