"""A video file, a video on standard input, or a network stream, read by FFmpeg through PyAV.

A stream that is lost is taken up again; frames that did not come meanwhile are a gap, and never invented.
"""

import math
import threading
from collections.abc import Iterator
from itertools import count

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.backoff import BackOff, BackoffClock, wait_for_server
from detcli.sources.video.ffmpeg.container import ContainerLimits, OpenContainer, open_av
from detcli.sources.video.ffmpeg.decoder import DecodedFrame, MissingFrames, VideoDecoder
from detcli.sources.video.ffmpeg.demuxer import LostError
from detcli.sources.video.ffmpeg.rotation import LazyVideoFrame, upright_size_hw
from detcli.sources.video.frame_sampler import FrameSampler
from detcli.sources.video.protocols import access_of
from detcli.sources.video.timestamps import Timeline
from detcli.sources.video.video_source import StreamGap, VideoInfo, VideoSettings, frame_origin, gap_origin

_MOST_ATTEMPTS = (
    10  # to continue with a file behind an address, two and a half minutes; a camera is waited for for ever
)
_MOST_FACTS_RATE = 1000.0  # frames a second; headers that say more mean the ticks of their clock


class VideoStream:
    """The frames of a video, decoded as the iteration continues.

    argument    a file, an address (http, https, rtsp, rtmp, udp, …) or "-"
    settings    what of it is looked at
    index_from  the place of its first frame in the whole input
    limits      how long a server may be silent
    clock       the world's time; tests have their own

    Raises UsageError for an address of a kind that is not read.
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
        self._limits, self._clock = limits or ContainerLimits(), clock or BackoffClock()
        self.live = self._access.live if settings.live is None else settings.live
        self._timeline = Timeline(self._clock)
        self._lock = threading.Lock()  # of what follows, until an iteration owns it
        self._decoding: VideoDecoder | None = None
        self._items: Iterator[DecodedFrame | MissingFrames] | None = None
        self._ahead: list[DecodedFrame | MissingFrames] = []
        self._facts: VideoInfo | None = None
        self._taken = False
        self._closed = threading.Event()

    def __repr__(self) -> str:
        return f"VideoStream({self._access.shown!r})"

    def __iter__(self) -> Iterator[SourceItem]:
        """The frames in order of time; what is missing between them is a `StreamGap`. Once only. Raises SourceError."""
        self.facts()
        with self._lock:
            if self._taken:
                raise RuntimeError("a video is read once")
            self._taken = True
        return self._images()

    def count(self) -> int | None:
        """About how many frames there will be, by what the file says of itself."""
        facts, settings = self.facts(), self._settings
        if self.live or (facts.duration_s is None and facts.frames is None):
            return settings.max_frames
        rate = facts.rate or (facts.frames / facts.duration_s if facts.frames and facts.duration_s else None)
        count = facts.frames if facts.frames is not None else round((facts.duration_s or 0.0) * (rate or 0.0))
        if rate is not None and (settings.start_s or settings.duration_s is not None or settings.fps is not None):
            seconds = max(count / rate - settings.start_s, 0.0)
            seconds = min(seconds, settings.duration_s) if settings.duration_s is not None else seconds
            count = round(seconds * (min(rate, settings.fps * settings.stride) if settings.fps else rate))
        count = -(-count // settings.stride)
        return count if settings.max_frames is None else min(count, settings.max_frames)

    def facts(self) -> VideoInfo:
        """What is known of it; opens it and decodes its first frame. Raises SourceError."""
        with self._lock:
            if self._facts is None:
                opened = self._open(settings_start=True, resume=False)
                self._facts = self._said_by(opened)
                if self._closed.is_set():
                    self._let_go_unread()
            return self._facts

    def close(self) -> None:
        """Let go of it; an iteration in another thread ends with its next frame, or when the server's time is up."""
        self._closed.set()
        if self._lock.acquire(blocking=False):  # else whoever opens it lets go of it
            try:
                self._let_go_unread()
            finally:
                self._lock.release()

    def _let_go_unread(self) -> None:
        if not self._taken and self._decoding is not None:
            self._decoding.close()
            self._decoding, self._items, self._ahead = None, None, []

    # -------------------------------------------------------------------------------------------------- frames

    def _images(self) -> Iterator[SourceItem]:
        choice, index, next_number = FrameSampler(self._settings), self._index_from, 0
        name, place = self._access.shown, self._access.place
        try:
            for item in self._all():
                if self._closed.is_set() or choice.is_over(item.time_s):
                    return
                if isinstance(item, MissingFrames):
                    if item.time_s < self._settings.start_s:
                        continue
                    origin = gap_origin(index, file=name, place=place, frame=next_number, time_s=item.time_s)
                    yield StreamGap(origin, item.code, item.message)
                else:
                    next_number = item.number + 1
                    if not choice.takes(item.time_s):
                        continue
                    origin = frame_origin(index, file=name, place=place, frame=item.number, time_s=item.time_s)
                    yield LazyVideoFrame(origin, item.decoded)
                index += 1
                if choice.is_over(item.time_s):
                    return
        finally:
            if self._decoding is not None:
                self._decoding.close()

    def _all(self) -> Iterator[DecodedFrame | MissingFrames]:
        """The frames of all openings, one after the other."""
        back_off, begun = BackOff(), self._clock.now()
        number, last_s = 0, 0.0
        while True:
            try:
                for item in self._opening_items():
                    if isinstance(item, DecodedFrame):
                        number, last_s = item.number + 1, item.time_s
                    yield item
                return
            except LostError as lost:
                why = str(lost)
            back_off.came(self._timeline.heard - begun)
            if not self._settings.reconnect:
                raise SourceError("gap", self._lost(last_s, why))
            if not self._finite:  # told at once: nobody knows when, or whether, it will be back
                yield MissingFrames("gap", f"the stream was lost: {why}", last_s)
            if not self._take_up(number, last_s, why, back_off):
                return
            begun = self._clock.now()

    def _opening_items(self) -> Iterator[DecodedFrame | MissingFrames]:
        """What came when the source was opened, and what comes."""
        ahead, self._ahead = self._ahead, []
        yield from ahead
        if self._items is not None:
            yield from self._items

    # ------------------------------------------------------------------------------------------------- opening

    def _open(self, *, settings_start: bool, resume: bool, number: int = 0) -> OpenContainer:
        """Open the source and wait for its first frame. Raises SourceError."""
        opened = open_av(self._access, self._limits, max_pixels=self._settings.max_pixels, low_delay=self.live)
        self._finite = opened.finite
        rate = opened.stream.average_rate
        self._timeline.opens(opened.base, 1 / rate if rate else None, by_arrival=opened.by_arrival, anew=not resume)
        start_s = self._settings.start_s if settings_start else 0.0
        decoding = VideoDecoder(opened, self._timeline, number_from=number, start_s=start_s, resume=resume)
        items, ahead = iter(decoding), []
        try:
            for item in items:
                ahead.append(item)
                if isinstance(item, DecodedFrame):
                    self._decoding, self._items, self._ahead = decoding, items, ahead
                    return opened
        except LostError as lost:
            decoding.close()
            why = f"{lost}, before its first frame"
            if opened.finite and "mp4" in opened.container.format.name:
                why += "; a server that cannot give parts of a file cannot give an MP4 that ends with its index: download it"
            raise SourceError("not-found", f"cannot read {self._access.named}: {why}") from None
        except BaseException:
            decoding.close()
            raise
        if resume:  # the rest of a file was not there any more: it had ended
            self._decoding, self._items, self._ahead = decoding, None, ahead
            return opened
        decoding.close()
        why = "no frame of it can be decoded"
        if self._access.kind == "pipe" and "mp4" in opened.container.format.name:
            why = "an MP4 file cannot be read from a pipe: pipe MPEG-TS or Matroska, as by 'ffmpeg -i a.mp4 -c copy -f mpegts -'"
        raise SourceError("decode-failed", f"cannot read {self._access.named}: {why}")

    def _take_up(self, number: int, last_s: float, why: str, back_off: BackOff) -> bool:
        """Open a lost stream again, as often as it takes; False where it is closed, or nobody waits for more of it.

        Raises SourceError where the server refuses it, or a file is not there any more.
        """
        if self._decoding is not None:
            self._decoding.close()
            self._decoding = None
        ends = self._timeline.heard + self._left_s(last_s)
        for attempt in count(1):
            pause_s = min(back_off.pause_s(), ends - self._clock.now())
            wait_for_server(self._access.server, pause_s, self._clock, self._closed)
            if self._closed.is_set() or self._clock.now() >= ends:
                return False
            try:
                self._open(settings_start=False, resume=self._finite, number=number)
            except SourceError as error:
                if error.refused:
                    raise SourceError(error.code, f"{self._lost(last_s, why)}, and then: {error}") from None
                if self._finite and attempt == _MOST_ATTEMPTS:
                    lost = f"{self._lost(last_s, why)}, and cannot be taken up again"
                    raise SourceError("gap", f"{lost}: {error}") from None
                continue
            return True
        return False

    def _lost(self, last_s: float, why: str) -> str:
        return f"the stream {self._access.named} was lost after {last_s:.1f} s ({why})"

    def _left_s(self, time_s: float) -> float:
        """How long frames of a live source are wanted after this time: what is in a file stays there."""
        settings = self._settings
        if self._finite or settings.duration_s is None:
            return math.inf
        return settings.start_s + settings.duration_s - time_s

    def _said_by(self, opened: OpenContainer) -> VideoInfo:
        stream = opened.stream
        shot = next(item for item in self._ahead if isinstance(item, DecodedFrame))
        rate = None if opened.by_arrival else stream.average_rate or stream.guessed_rate
        seconds = None
        if opened.finite and stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif opened.finite and opened.container.duration:
            seconds = opened.container.duration / 1e6
        return VideoInfo(
            self._access.shown,
            upright_size_hw(shot.decoded),
            float(rate) if rate and rate < _MOST_FACTS_RATE else None,
            stream.frames if opened.finite and stream.frames > 0 else None,
            seconds if seconds and seconds > 0 else None,
            opened.sound,
        )
