"""Which frames are missing from what a decoder gives: packets that went in are compared with frames that came out.

FFmpeg skips damage without a word that a program could read; what is left of it are a packet that gives an error,
a mark on a packet or on a frame, bytes that nobody took, or a packet that no frame came of.
"""

import heapq
from dataclasses import dataclass
from fractions import Fraction

# One packet, one frame, in order of their time stamps: of these codecs a packet without a frame is damage by itself. Of
# H.264 and the older ones it need not be: fields of a frame, frames that are never shown.
_FRAME_A_PACKET = frozenset({"hevc", "vvc", "av1", "libdav1d", "libaom-av1", "vp9", "libvpx-vp9", "mjpeg"})


@dataclass(frozen=True, slots=True)
class FrameLoss:
    """Frames are missing, or wrong.

    frames  how many are missing; None: some may be, or are wrong in part
    begin   time stamp where it begins, in ticks of the stream
    end     time stamp of the next frame
    """

    frames: int | None
    begin: int
    end: int


class CorruptionDetector:
    """Told of each packet and each frame, in the order in which they pass.

    codec     name of the decoder
    interval  ticks between frames, where that is known
    """

    def __init__(self, codec: str, interval: Fraction | None) -> None:
        self._frame_a_packet = codec in _FRAME_A_PACKET
        self._interval = interval
        self._awaited: list[int] = []  # time stamps of packets that no frame has come of yet
        self._last: int | None = None  # time stamp of the last frame
        self._until: int | None = None  # damage lies before the frame of this time stamp
        self._skipped_until: int | None = None  # bytes nobody took lie before it
        self._spoilt: int | None = None  # since then frames may be wrong, until a key frame
        self._told = False  # of what has been spoilt
        self._found_any = False
        self._regular = True  # so far each packet gave a frame, damage aside

    def sent(self, pts: int) -> None:
        """A packet went into the decoder."""
        heapq.heappush(self._awaited, pts)

    def found(self, pts: int | None = None) -> None:
        """Something is wrong at the packet of that time stamp, or wherever the decoder is."""
        self._found_any = True
        latest = max(self._awaited, default=self._last or 0)
        self._until = max(latest if pts is None else pts, self._until if self._until is not None else latest)

    def skipped(self, pts: int) -> None:
        """Before the packet of that time stamp there are bytes that nobody took: damage if a frame is missing too."""
        self._skipped_until = pts

    def awaits_before(self, pts: int) -> bool:
        """Whether a frame that is shown before this one went into the decoder, and will come if nothing is wrong."""
        return self._regular and self._last is not None and bool(self._awaited) and self._awaited[0] < pts

    def came(self, pts: int, *, key: bool, corrupt: bool) -> FrameLoss | None:
        """A frame came out; gives what is missing before it."""
        unanswered = 0
        while self._awaited and self._awaited[0] <= pts:
            unanswered += heapq.heappop(self._awaited) < pts
        last, self._last = self._last, pts
        if last is None:  # whoever joins a stream in the middle gets nothing before its next key frame
            return None
        loss = self._loss(last, pts, unanswered)
        if key and self._until is None and self._spoilt is not None:
            if loss is None and not self._told:
                loss = FrameLoss(None, self._spoilt, pts)
            self._spoilt, self._told = None, False
        if corrupt:
            self._found_any = True
            self._spoilt = pts if self._spoilt is None else self._spoilt
        if self._skipped_until is not None and pts >= self._skipped_until:
            self._skipped_until = None
        return loss

    def ended(self) -> FrameLoss | None:
        """No frame will come any more; gives what is missing at the end."""
        last = self._last or 0
        unanswered = len([pts for pts in self._awaited if pts > last]) if self._last is not None else 0
        self._awaited.clear()
        if unanswered and (self._counts_packets or self._is_spoilt):
            return FrameLoss(unanswered, last, last)
        if self._is_spoilt and not self._told:
            return FrameLoss(None, self._spoilt if self._spoilt is not None else last, last)
        return None

    def forget(self) -> None:
        """The decoder begins again somewhere else."""
        self._awaited.clear()
        self._last = self._until = self._skipped_until = self._spoilt = None
        self._told = False

    @property
    def _is_spoilt(self) -> bool:
        return self._until is not None or self._spoilt is not None

    @property
    def _counts_packets(self) -> bool:
        """Whether a packet without a frame is a frame that is missing."""
        return self._frame_a_packet or (self._found_any and self._regular)

    def _loss(self, last: int, pts: int, unanswered: int) -> FrameLoss | None:
        by_time = round((pts - last) / self._interval) - 1 if self._interval else 0
        suspicious = self._is_spoilt or (self._skipped_until is not None and by_time > 0)
        missing = max(unanswered, by_time) if suspicious else unanswered if self._counts_packets else 0
        self._regular = self._regular and (missing > 0 or not unanswered)
        if self._until is not None and pts >= self._until:
            self._spoilt = last if self._spoilt is None else self._spoilt
            self._until = None
        if missing <= 0:
            return None
        self._spoilt = last if self._spoilt is None else self._spoilt
        self._told = True
        return FrameLoss(missing, last, pts)
