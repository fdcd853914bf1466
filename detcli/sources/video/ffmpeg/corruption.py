"""Finds missing frames by comparing the packets sent to a decoder with the frames it returns.

FFmpeg skips damaged parts without an error. The signs of damage are a packet that raises an error, a mark on a packet or
a frame, bytes outside of packets, or a packet without a frame.
"""

import heapq
from dataclasses import dataclass
from fractions import Fraction

# In these codecs each packet is one frame: a packet without a frame is damage. In H.264 and older codecs it may not be:
# a packet may hold one field of a frame, or a frame that is never shown.
_ONE_FRAME_PER_PACKET = frozenset({"hevc", "vvc", "av1", "libdav1d", "libaom-av1", "vp9", "libvpx-vp9", "mjpeg"})


@dataclass(frozen=True, slots=True)
class FrameLoss:
    """Missing or wrong frames.

    frames  number of missing frames; None: some may be missing or partly wrong
    begin   time stamp of the last frame before them, in ticks of the stream
    end     time stamp of the next frame
    """

    frames: int | None
    begin: int
    end: int


class CorruptionDetector:
    """Gets each packet and each frame in their order.

    codec     name of the decoder
    interval  ticks between frames, where it is known
    """

    def __init__(self, codec: str, interval: Fraction | None) -> None:
        self._one_frame_per_packet = codec in _ONE_FRAME_PER_PACKET
        self._interval = interval
        self._expected: list[int] = []  # time stamps of packets without a frame so far
        self._last: int | None = None  # time stamp of the last frame
        self._until: int | None = None  # the damage ends before the frame of this time stamp
        self._skipped_until: int | None = None  # skipped bytes are before it
        self._wrong_since: int | None = None  # frames may be wrong from there until a key frame
        self._reported = False  # the wrong frames
        self._found_any = False
        self._regular = True  # so far each packet gave a frame, except for damage

    @property
    def is_any(self) -> bool:
        """Whether any damage was found so far."""
        return self._found_any or self._skipped_until is not None

    def packet_sent(self, pts: int) -> None:
        """A packet was sent to the decoder."""
        heapq.heappush(self._expected, pts)

    def damage_found(self, pts: int | None = None) -> None:
        """There is damage at the packet of this time stamp, or at the current position."""
        self._found_any = True
        latest = max(self._expected, default=self._last or 0)
        self._until = max(latest if pts is None else pts, self._until if self._until is not None else latest)

    def bytes_skipped(self, pts: int) -> None:
        """Bytes were skipped before the packet of this time stamp: damage if a frame is missing too."""
        self._skipped_until = pts

    def expects_frame_before(self, pts: int) -> bool:
        """Whether an earlier frame was sent to the decoder and will be returned unless it is damaged."""
        return self._regular and self._last is not None and bool(self._expected) and self._expected[0] < pts

    def frame_decoded(self, pts: int, *, key: bool, corrupt: bool) -> FrameLoss | None:
        """A frame was returned by the decoder; returns what is missing before it."""
        without_frame = 0
        while self._expected and self._expected[0] <= pts:
            without_frame += heapq.heappop(self._expected) < pts
        last, self._last = self._last, pts
        if last is None:  # a stream joined in the middle has no frames before its next key frame
            return None
        loss = self._loss(last, pts, without_frame)
        if key and self._until is None and self._wrong_since is not None:
            if loss is None and not self._reported:
                loss = FrameLoss(None, self._wrong_since, pts)
            self._wrong_since, self._reported = None, False
        if corrupt:
            self._found_any = True
            self._wrong_since = pts if self._wrong_since is None else self._wrong_since
        if self._skipped_until is not None and pts >= self._skipped_until:
            self._skipped_until = None
        return loss

    def end(self) -> FrameLoss | None:
        """There are no more frames; returns what is missing at the end."""
        last = self._last or 0
        without_frame = len([pts for pts in self._expected if pts > last]) if self._last is not None else 0
        self._expected.clear()
        if without_frame and (self._counts_packets or self._may_be_wrong):
            return FrameLoss(without_frame, last, last)
        if self._may_be_wrong and not self._reported:
            return FrameLoss(None, self._wrong_since if self._wrong_since is not None else last, last)
        return None

    def reset(self) -> None:
        """The decoder restarts at another position."""
        self._expected.clear()
        self._last = self._until = self._skipped_until = self._wrong_since = None
        self._reported = False

    @property
    def _may_be_wrong(self) -> bool:
        return self._until is not None or self._wrong_since is not None

    @property
    def _counts_packets(self) -> bool:
        """Whether a packet without a frame is a missing frame."""
        return self._one_frame_per_packet or (self._found_any and self._regular)

    def _loss(self, last: int, pts: int, without_frame: int) -> FrameLoss | None:
        by_time = round((pts - last) / self._interval) - 1 if self._interval else 0
        suspicious = self._may_be_wrong or (self._skipped_until is not None and by_time > 0)
        missing = max(without_frame, by_time) if suspicious else without_frame if self._counts_packets else 0
        self._regular = self._regular and (missing > 0 or not without_frame)
        if self._until is not None and pts >= self._until:
            self._wrong_since = last if self._wrong_since is None else self._wrong_since
            self._until = None
        if missing <= 0:
            return None
        self._wrong_since = last if self._wrong_since is None else self._wrong_since
        self._reported = True
        return FrameLoss(missing, last, pts)
