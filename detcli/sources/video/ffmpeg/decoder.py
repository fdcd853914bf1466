"""Decodes one opening of a source: its frames with their times, and what is missing or damaged between them.

It works from the first packet to the end or the loss of the stream; a lost stream is reopened elsewhere.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import av
import av.error

from detcli.errors import ImageErrorCode, SourceError
from detcli.sources.video.ffmpeg.container import OpenContainer
from detcli.sources.video.ffmpeg.corruption import CorruptionDetector, FrameLoss
from detcli.sources.video.ffmpeg.demuxer import Demuxer, LostError, Packet, time_stamp_of
from detcli.sources.video.ffmpeg.reorder import FrameReorderer
from detcli.sources.video.ffmpeg.seek import jump_ahead
from detcli.sources.video.ffmpeg.timestamps import Timeline
from detcli.sources.video.ffmpeg.truncation import TruncationDetector

_MAX_BUFFERED: Final = 2000  # packets since a key frame that are kept to start there
_MIN_START_S: Final = 1e-5  # an earlier start is the beginning
_HIDDEN_FRAMES: Final = frozenset({"vp8", "libvpx"})  # some packets of these codecs are frames that are never shown


class UnprovenPositionError(Exception):
    """After frames were skipped, the next one cannot be proven to be the one it claims to be: read from the beginning."""


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
    """Frames that cannot be decoded: `code` and `message` as in a `FailedFrame`, and the time where they begin."""

    code: ImageErrorCode
    message: str
    time_s: float


class VideoDecoder:
    """Iterates once over frames and missing frames; raises LostError and SourceError as `Demuxer`.

    timeline     computes the times; an earlier opening of the same source may have used it
    number_from  number of the first frame
    start_s      earlier frames may be skipped; those shortly before it are returned
    resume_s     skip the frames of an earlier opening, up to this time; None: it is the first one
    may_skip     packets may be skipped without being decoded; the iteration raises UnprovenPositionError where the first
                 frame after them is not proven to be in its place. False: all packets are decoded
    """

    def __init__(
        self,
        opened: OpenContainer,
        timeline: Timeline,
        *,
        number_from: int = 0,
        start_s: float = 0.0,
        resume_s: float | None = None,
        may_skip: bool = True,
    ) -> None:
        self._opened, self._timeline, self._number = opened, timeline, number_from
        self._decoder = opened.stream.codec_context
        self._start_s, self._resume_s = start_s, resume_s
        self._may_skip = may_skip and self._decoder.codec.name not in _HIDDEN_FRAMES
        self._is_resumed = False  # a search for the position was made, and no frame up to it came yet
        if resume_s is not None:
            timeline.rewind()
        self._has_full_index = opened.is_mp4 and opened.stream.frames > 0
        rate = opened.stream.average_rate
        interval = 1 / (rate * opened.base) if rate and not self._has_full_index else None
        self._corruption = CorruptionDetector(self._decoder.codec.name, interval)
        self._truncation = TruncationDetector(opened)
        self._packets = Demuxer(opened, self._corruption, timeline.note_arrival)
        self._reorderer = FrameReorderer(self._corruption.expects_frame_before)
        self._sent: list[int] | None = None  # time stamps since frames were skipped, until the first frame comes
        self._skipped = 0  # frames before those
        self._key: int | None = None  # time stamp of the packet where decoding restarted
        self._is_skipping = False

    def __iter__(self) -> Iterator[DecodedFrame | MissingFrames]:
        """The frames in order of time."""
        if self._may_skip and self._resume_s is not None and (self._has_full_index or self._opened.is_matroska):
            self._seek(self._resume_s)  # other formats have no index: a search could end too late
        try:
            for packet in self._from_start(iter(self._packets)):
                yield from self._decode(packet)
        except LostError:
            if not self._opened.finite:
                yield from self._drain()  # the last frames; those of a file are decoded again later
            raise
        except SourceError:  # of an object: what was read gives its frames
            with suppress(UnprovenPositionError):
                yield from self._drain()
            raise
        yield from self._drain()
        if self._key is not None or self._is_resumed:
            raise UnprovenPositionError
        yield from self._missing_at_end()

    def close(self) -> None:
        """Close the source; not while another thread iterates."""
        self._opened.container.close()

    # ------------------------------------------------------------------------------------------------- packets

    def _from_start(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """The packets; where the start is far, only the first frame, then those from the last key frame before it."""
        buffer: list[Packet] = []  # since the last key frame before the start, so far
        before, self._is_skipping = 0, self._may_skip and self._start_s > _MIN_START_S
        may_jump, last_dts = self._has_full_index, None
        for packet in packets:
            if self._is_skipping and not self._is_in_place(packet, last_dts):
                if self._timeline.begun:
                    raise UnprovenPositionError
                self._is_skipping = False  # nothing was skipped yet
            if not self._is_skipping:
                yield packet
                continue
            last_dts = packet.dts
            if self._timeline.begun and packet.is_keyframe and self._is_early(packet.pts):
                before, buffer = before + self._frame_count(buffer), []
                if may_jump:  # not before the second key frame: earlier packets may give no frame
                    may_jump, until = False, self._timeline.tick_of(self._start_s)
                    packet, skipped = jump_ahead(self._opened.container, self._opened.stream, packets, packet, until)
                    before, last_dts = before + skipped, packet.dts
            buffer.append(packet)
            if not self._timeline.begun:
                yield packet
            elif not self._is_early(packet.dts) or len(buffer) > _MAX_BUFFERED:
                yield from self._start_at_key_frame(buffer, before)
                buffer = []
        if self._is_skipping and self._timeline.begun:
            yield from self._start_at_key_frame(buffer, before)

    def _start_at_key_frame(self, buffer: list[Packet], before: int) -> Iterator[Packet]:
        """Reset the decoder and continue at the last key frame before the start.

        before  number of frames before the buffer
        """
        keys = [index for index, packet in enumerate(buffer) if packet.is_keyframe and self._is_early(packet.pts)]
        first = keys[-1] if keys else 0
        if before or first:  # otherwise it is the beginning
            self._key = time_stamp_of(buffer[first])
            if not keys or self._key is None:
                raise UnprovenPositionError
        self._is_skipping = False
        self._decoder.flush_buffers()
        self._corruption.reset()
        self._reorderer.reset()
        self._timeline.rewind()
        self._sent, self._skipped = [], before + self._frame_count(buffer[:first])
        yield from buffer[first:]

    def _is_in_place(self, packet: Packet, last_dts: int | None) -> bool:
        """Whether a packet can be skipped and counted: it has its time stamp, follows the last one, and has no damage."""
        time_stamp = packet.dts if packet.dts is not None else packet.pts
        follows = last_dts is None or (packet.dts is not None and packet.dts > last_dts)
        return (
            time_stamp is not None and follows and not self._packets.is_damaged(packet) and not self._corruption.is_any
        )

    def _is_early(self, time_stamp: int | None) -> bool:
        """Whether a time stamp is not after the start."""
        return time_stamp is None or self._timeline.raw_s(time_stamp) <= self._start_s

    def _frame_count(self, packets: list[Packet]) -> int:
        return sum(self._gives_frame(packet) for packet in packets)

    def _gives_frame(self, packet: Packet) -> bool:
        """Whether the decoder returns a frame for it: not for packets before the first frame."""
        time_stamp = time_stamp_of(packet)
        return not packet.is_discard and (time_stamp is None or self._timeline.raw_s(time_stamp) >= 0)

    def _seek(self, time_s: float) -> None:
        self._opened.read_ahead.clear()
        self._is_resumed = True
        with suppress(av.error.FFmpegError, OSError):  # then it is read from the beginning
            self._opened.container.seek(self._timeline.tick_of(time_s), stream=self._opened.stream, backward=True)

    # -------------------------------------------------------------------------------------------------- frames

    def _decode(self, packet: "Packet | None") -> Iterator[DecodedFrame | MissingFrames]:
        if packet is not None and (time_stamp := time_stamp_of(packet)) is not None:
            if not packet.is_discard:
                self._corruption.packet_sent(time_stamp)
            if self._sent is not None and self._gives_frame(packet):
                self._sent.append(time_stamp)
        if packet is not None and self._packets.is_damaged(packet):
            self._corruption.damage_found(time_stamp_of(packet))
        try:
            frames = self._decoder.decode(packet)
        except EOFError:
            return
        except (av.error.FFmpegError, ValueError):
            self._corruption.damage_found()
            return
        for frame in frames:
            pts = _time_stamp_of_frame(frame)
            for ordered in (frame,) if pts is None else self._reorderer.add(pts, frame):
                yield from self._timed(ordered)

    def _drain(self) -> Iterator[DecodedFrame | MissingFrames]:
        yield from self._decode(None)
        for frame in self._reorderer.drain():
            yield from self._timed(frame)

    def _timed(self, frame: av.VideoFrame) -> Iterator[DecodedFrame | MissingFrames]:
        """The frame with its number and time, after what is missing before it."""
        if self._is_skipping and self._timeline.begun:
            return  # it is decoded again later, or lies before the start
        pts = _time_stamp_of_frame(frame)
        if self._key is not None:
            if pts is None or pts > self._key or frame.is_corrupt:
                raise UnprovenPositionError
            if pts < self._key:
                return  # it belongs to the frames before the key frame, which are missing
            self._key = None
        if pts is not None:
            loss = self._corruption.frame_decoded(pts, key=bool(frame.key_frame), corrupt=frame.is_corrupt)
            if self._sent is not None:
                self._number = self._skipped + sum(sent < pts for sent in self._sent)
                self._sent = None
        else:
            loss = None
        if not self._timeline.begun and frame.interlaced_frame and not self._has_full_index:
            self._is_skipping = False  # a packet may be one of two fields: packets do not count frames
        time_s = self._timeline.time_s(pts)
        if self._resume_s is not None and time_s <= self._resume_s:
            self._is_resumed = False
            return
        if self._is_resumed:
            raise UnprovenPositionError
        if loss is not None:
            yield self._missing(loss)
        decoded = DecodedFrame(frame, self._number, time_s)
        self._number += 1
        yield decoded

    # ------------------------------------------------------------------------------------------------- missing

    def _missing(self, loss: FrameLoss) -> MissingFrames:
        begin_s, end_s = self._timeline.shown_s(loss.begin), self._timeline.shown_s(loss.end)
        if self._opened.by_arrival:
            return MissingFrames("damaged", "damaged: frames may be missing or partly wrong", self._timeline.last_s)
        if loss.frames is None:
            return MissingFrames(
                "damaged", f"damaged after {begin_s:.3f} s: frames may be missing or partly wrong", begin_s
            )
        many = "1 frame" if loss.frames == 1 else f"{loss.frames} frames"
        until = f" and before {end_s:.3f} s" if loss.end != loss.begin else ""
        return MissingFrames("damaged", f"damaged: {many} after {begin_s:.3f} s{until} cannot be decoded", begin_s)

    def _missing_at_end(self) -> Iterator[MissingFrames]:
        """Missing frames at the end: packets without a frame, and packets that the file should have."""
        if not self._timeline.begun:
            return
        reported, loss = 0, self._corruption.end()
        if loss is not None:
            reported = loss.frames or 0
            yield self._missing(loss)
        if self._resume_s is not None or self._start_s > 0:
            return  # only a part of the file was read
        last_s = self._timeline.last_s
        message = self._truncation.missing_frames(
            packets=self._packets.count, last_s=last_s, last_stamp_s=self._timeline.last_stamp_s, reported=reported
        )
        if message is not None:
            yield MissingFrames("truncated", message, last_s)


def _time_stamp_of_frame(frame: av.VideoFrame) -> int | None:
    return frame.pts if frame.pts is not None else frame.dts
