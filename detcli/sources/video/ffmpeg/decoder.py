"""The frames of an opened source, one after the other, with their times; what is missing or damaged between them.

Knows one opening of a source, from its first packet to its end: what is done when a stream is lost is decided above.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import av
import av.error

from detcli.errors import ImageErrorCode
from detcli.sources.video.ffmpeg.container import OpenContainer
from detcli.sources.video.ffmpeg.corruption import CorruptionDetector, FrameLoss
from detcli.sources.video.ffmpeg.demuxer import Demuxer, LostError, Packet, time_stamp_of
from detcli.sources.video.ffmpeg.reorder import FrameReorderer
from detcli.sources.video.ffmpeg.seek import jump_ahead
from detcli.sources.video.timestamps import Timeline

_MOST_HELD: Final = 2000  # packets since a key frame that are kept to begin there
_AT_ONCE_S: Final = 1e-5  # a start so near is none
_CUT_SHORT_S: Final = 0.5  # that the images of a whole file may end before the header of the whole says


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A decoded frame.

    number  from 0 in the source
    time_s  since the first frame
    """

    decoded: av.VideoFrame
    number: int
    time_s: float


@dataclass(frozen=True, slots=True)
class MissingFrames:
    """Frames that cannot be had: `code` and `message` as in an `Unreadable`, and where it begins."""

    code: ImageErrorCode
    message: str
    time_s: float


class VideoDecoder:
    """Iterates once over the frames and over what is missing; raises LostError where a stream is lost.

    timeline     keeps the times; it may have been begun by an earlier opening of the same source
    number_from  of the first frame
    start_s      frames long before that need not be decoded; those shortly before come all the same
    resume       skip what came in an earlier opening: frames up to the timeline's last one
    """

    def __init__(
        self,
        opened: OpenContainer,
        timeline: Timeline,
        *,
        number_from: int = 0,
        start_s: float = 0.0,
        resume: bool = False,
    ) -> None:
        self._opened, self._timeline, self._number = opened, timeline, number_from
        self._container, self._stream, self._decoder = opened.container, opened.stream, opened.stream.codec_context
        self._start_s, self._resume_s = start_s, timeline.last_s if resume else None
        if resume:
            timeline.rewind()
        self._all_indexed = "mp4" in self._container.format.name and self._stream.frames > 0
        rate = self._stream.average_rate
        interval = 1 / (rate * opened.base) if rate and not self._all_indexed else None
        self._damage = CorruptionDetector(self._decoder.codec.name, interval)
        self._matroska = "matroska" in self._container.format.name
        self._claimed_packets = len(self._stream.index_entries) if self._all_indexed else 0
        if self._container.format.name == "avi":
            self._claimed_packets = self._stream.frames
        self._packets = Demuxer(opened, self._damage, timeline.hears)
        self._order = FrameReorderer(self._damage.awaits_before)
        self._reached: list[int] | None = None  # time stamps sent since frames were skipped, until the first comes
        self._passed = 0  # packets before those
        self._passing = False

    def __iter__(self) -> Iterator[DecodedFrame | MissingFrames]:
        """The frames in order of time."""
        if self._resume_s is not None and (self._all_indexed or self._matroska):
            self._seek(self._resume_s)  # others have no index: FFmpeg would search, and may end up behind it
        try:
            for packet in self._passing_over(iter(self._packets)):
                yield from self._decode(packet)
        except LostError:
            if not self._opened.finite:
                yield from self._drain()  # what had come before; of a file it will come again
            raise
        yield from self._drain()
        yield from self._at_the_end()

    def close(self) -> None:
        """Let go of the source; not while another thread iterates."""
        self._container.close()

    # ------------------------------------------------------------------------------------------------- packets

    def _passing_over(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """All packets; but where the start is far, from the first frame on none before the last key frame before it."""
        held: list[Packet] = []  # from the last key frame on that is known to lie before the start
        before, self._passing = 0, self._start_s > _AT_ONCE_S
        may_jump = self._all_indexed
        for packet in packets:
            if not self._passing:
                yield packet
                continue
            if self._timeline.begun and packet.is_keyframe and self._is_early(packet.pts):
                before, held = before + self._frames_of(held), []
                if may_jump:  # not before the second key frame: of packets before it perhaps no frame comes
                    may_jump, until = False, self._timeline.tick_of(self._start_s)
                    packet, passed = jump_ahead(self._container, self._stream, packets, packet, until)
                    before += passed
            held.append(packet)
            if not self._timeline.begun:
                yield packet
            elif not self._is_early(packet.dts) or len(held) > _MOST_HELD:
                yield from self._begin_at(held, before)
                held = []
        if self._passing and self._timeline.begun:
            yield from self._begin_at(held, before)

    def _begin_at(self, held: list[Packet], before: int) -> Iterator[Packet]:
        """Continue as if nothing had been decoded so far, at the last key frame before the start.

        before  so many frames lie before those held
        """
        keys = [place for place, packet in enumerate(held) if packet.is_keyframe and self._is_early(packet.pts)]
        first = keys[-1] if keys else 0
        self._passing = False
        self._decoder.flush_buffers()
        self._damage.forget()
        self._order.forget()
        self._timeline.rewind()
        self._reached, self._passed = [], before + self._frames_of(held[:first])
        yield from held[first:]

    def _is_early(self, time_stamp: int | None) -> bool:
        """Whether it is one before the start."""
        return time_stamp is None or self._timeline.raw_s(time_stamp) <= self._start_s

    def _frames_of(self, packets: list[Packet]) -> int:
        return sum(self._counts(packet) for packet in packets)

    def _counts(self, packet: Packet) -> bool:
        """Whether a frame came or would have come of it: none comes of those before the first frame."""
        time_stamp = time_stamp_of(packet)
        return not packet.is_discard and (time_stamp is None or self._timeline.raw_s(time_stamp) >= 0)

    def _seek(self, time_s: float) -> None:
        with suppress(av.error.FFmpegError, OSError):  # then it is read from the beginning
            self._container.seek(self._timeline.tick_of(time_s), stream=self._stream, backward=True)

    # -------------------------------------------------------------------------------------------------- frames

    def _decode(self, packet: "Packet | None") -> Iterator[DecodedFrame | MissingFrames]:
        if packet is not None and (time_stamp := time_stamp_of(packet)) is not None:
            if not packet.is_discard:
                self._damage.sent(time_stamp)
            if self._reached is not None and self._counts(packet):
                self._reached.append(time_stamp)
        if packet is not None and self._packets.is_damaged(packet):
            self._damage.found(time_stamp_of(packet))
        try:
            frames = self._decoder.decode(packet)
        except EOFError:
            return
        except (av.error.FFmpegError, ValueError):
            self._damage.found()
            return
        for frame in frames:
            pts = _shown_at(frame)
            for one in (frame,) if pts is None else self._order.take(pts, frame):
                yield from self._shown(one)

    def _drain(self) -> Iterator[DecodedFrame | MissingFrames]:
        yield from self._decode(None)
        for frame in self._order.rest():
            yield from self._shown(frame)

    def _shown(self, frame: av.VideoFrame) -> Iterator[DecodedFrame | MissingFrames]:
        if self._passing and self._timeline.begun:
            return  # it will come again, or lies before the start
        pts = _shown_at(frame)
        if pts is not None:
            loss = self._damage.came(pts, key=bool(frame.key_frame), corrupt=frame.is_corrupt)
            if self._reached is not None:
                self._number = self._passed + sum(reached < pts for reached in self._reached)
                self._reached = None
        else:
            loss = None
        time_s = self._timeline.time_s(pts)
        if self._resume_s is not None and time_s <= self._resume_s:
            return
        if loss is not None:
            yield self._missing(loss)
        shot = DecodedFrame(frame, self._number, time_s)
        self._number += 1
        yield shot

    # ------------------------------------------------------------------------------------------------- missing

    def _missing(self, loss: FrameLoss) -> MissingFrames:
        begin_s, end_s = self._timeline.shown_s(loss.begin), self._timeline.shown_s(loss.end)
        if self._opened.by_arrival:
            return MissingFrames("damaged", "damaged: frames may be missing, or wrong in part", self._timeline.last_s)
        if loss.frames is None:
            return MissingFrames(
                "damaged", f"damaged after {begin_s:.3f} s: frames may be missing, or wrong in part", begin_s
            )
        many = "1 frame" if loss.frames == 1 else f"{loss.frames} frames"
        until = f" and before {end_s:.3f} s" if loss.end != loss.begin else ""
        return MissingFrames("damaged", f"damaged: {many} after {begin_s:.3f} s{until} cannot be decoded", begin_s)

    def _at_the_end(self) -> Iterator[MissingFrames]:
        """What is missing there: frames that no packet gave, packets that the file should have had."""
        if not self._timeline.begun:
            return
        told, loss = 0, self._damage.ended()
        if loss is not None:
            told = loss.frames or 0
            yield self._missing(loss)
        if self._resume_s is not None or self._start_s > 0:
            return  # not all of it was read
        end_s, claimed_s = self._timeline.last_s, self._claimed_s()
        claimed = self._claimed_packets
        if "mp4" in self._container.format.name:  # in fragments, whose indexes were read one by one
            claimed = max(claimed, len(self._stream.index_entries))
        lost = claimed - self._packets.count
        if claimed and lost > 0:
            message = f"truncated or damaged: {lost} of {claimed} frames are not there"
            yield MissingFrames("truncated", message, end_s)
            return
        rate = self._stream.average_rate
        interval_s = float(1 / rate) if rate else _CUT_SHORT_S
        lost = 0 if claimed_s is None else round((claimed_s - self._timeline.last_stamp_s) / interval_s) - 1
        lost -= told
        if lost > 1:  # one may be a matter of rounding
            message = f"truncated: about {lost} frames after {end_s:.2f} s are not there"
            yield MissingFrames("truncated", message, end_s)

    def _claimed_s(self) -> float | None:
        """How long the file's own header says that the images last."""
        if not self._matroska:
            return None
        hours, _, rest = self._stream.metadata.get("DURATION", "").partition(":")
        minutes, _, seconds = rest.partition(":")
        with suppress(ValueError):
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        duration = self._container.duration  # of whatever lasts longest
        return duration / av.time_base - _CUT_SHORT_S if duration and not self._opened.sound else None


def _shown_at(frame: av.VideoFrame) -> int | None:
    return frame.pts if frame.pts is not None else frame.dts
