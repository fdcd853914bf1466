"""The packets of a source's images, past what is damaged, until it ends or is lost."""

import errno
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias, cast

import av
import av.error
from av.video.stream import VideoStream

from detcli.sources.video.ffmpeg.container import OpenContainer, plain
from detcli.sources.video.ffmpeg.corruption import CorruptionDetector

Packet: TypeAlias = "av.Packet[VideoStream]"
_MOST_FAILED_READS: Final = 32  # in a row: then nothing more can be read
_JUMP_S: Final = 1  # further back than that, the clock was set again
_MARKED_AT_A_SEAM: Final = 2  # packets of an MPEG-TS file, where another one was joined to it: their numbers jump
_UNREAD_BYTES: Final = 64  # between blocks of a Matroska file; their own headers have fewer
_UNREAD_BYTES_OF_TS: Final = 20 * 188  # tables, and what fills up a constant rate
# Of these a packet ends where the next one begins: FFmpeg hands on what it has of the last one when a stream is lost.
_HALF_PACKETS = frozenset({"mpegts", "mpeg", "h264", "hevc", "m4v", "mpegvideo", "mjpeg"})


class LostError(Exception):
    """The connection is gone, or the server is silent; `str(error)` is a clause without credentials."""


class Demuxer:
    """Iterates once; tells `damage` what it meets between the packets. Raises LostError where a stream is lost.

    hears  called whenever a packet comes
    count  packets so far
    """

    def __init__(self, opened: OpenContainer, damage: CorruptionDetector, hears: Callable[[], None]) -> None:
        self.count = 0
        self._opened, self._damage, self._hears = opened, damage, hears
        self._container, self._stream = opened.container, opened.stream
        self._matroska = "matroska" in opened.container.format.name
        self._last_dts: int | None = None
        self._moved = 0  # ticks that time stamps are moved by
        self._at_seams: set[int | None] = set()  # time stamps of the last packets before a clock was set back
        self._begin_of_block, self._end_of_block = 0, 0
        self._skipped = False  # bytes before the next packet of the images

    def __iter__(self) -> Iterator[Packet]:
        """The packets in the order of the source, none of them empty."""
        name = self._container.format.name
        if self._opened.remote:
            many = 1 if name in _HALF_PACKETS else 0
        else:
            many = _MARKED_AT_A_SEAM if name == "mpegts" else 0
        held, moved = deque[Packet](), 0
        for packet in self._read():
            if moved != self._moved:
                moved = self._moved
                self._at_seams.update(one.dts for one in held)
            held.append(packet)
            if len(held) > many:
                yield held.popleft()
        yield from held

    def is_damaged(self, packet: Packet) -> bool:
        """Whether FFmpeg marked it so, and not only because another recording was joined to it."""
        return packet.is_corrupt and packet.dts not in self._at_seams

    def _read(self) -> Iterator[Packet]:
        failed = 0
        while True:
            try:
                packets = self._container.demux() if self._opened.every_byte else self._container.demux(self._stream)
                for packet in cast("Iterator[Packet]", packets):
                    if self._is_image(packet):
                        self._hears()
                        self.count += 1
                        failed = 0
                        yield packet
                break
            except av.error.InvalidDataError:
                failed += 1
                self._damage.found()
                if failed > _MOST_FAILED_READS:
                    break
            except (av.error.FFmpegError, OSError) as error:
                if not self._opened.remote:
                    self._damage.found()
                    break
                raise LostError(_why(error)) from None
        if not self._opened.finite:
            raise LostError("the server ended it")

    def _is_image(self, packet: Packet) -> bool:
        """Whether it belongs to the images and has something in it; looks at what lies before it."""
        if not packet.size:
            return False  # an empty one asks for the decoder to be drained, which is done at the end
        if self._opened.every_byte and packet.pos is not None and packet.pos >= 0:
            self._look_before(packet.pos, packet.size)
        if packet.stream_index != self._stream.index:
            return False
        self._go_on(packet)
        time_stamp = time_stamp_of(packet)
        if self._skipped and time_stamp is not None:
            self._damage.skipped(time_stamp)
            self._skipped = False
        if packet.dts is not None and self._last_dts is not None and packet.dts < self._last_dts:
            self._damage.forget()  # what comes is mixed up
        self._last_dts = packet.dts if packet.dts is not None else self._last_dts
        return True

    def _go_on(self, packet: Packet) -> None:
        """Where the clock was set back, as where files were joined, move time stamps so that they continue."""
        if packet.dts is None or "mp4" in self._container.format.name:  # whose index is in order
            return
        back = 0 if self._last_dts is None else self._last_dts - (packet.dts + self._moved)
        if back * self._opened.base > _JUMP_S:
            rate = self._stream.average_rate
            self._moved += back + (packet.duration or (round(1 / (rate * self._opened.base)) if rate else 1))
        if self._moved:
            packet.dts += self._moved
            packet.pts = None if packet.pts is None else packet.pts + self._moved

    def _look_before(self, begins: int, size: int) -> None:
        """See whether a packet lies where it should: neither far behind the one before, nor in it."""
        unread, again = begins - self._end_of_block, begins == self._begin_of_block  # a block may hold several
        if self._end_of_block and not again:
            follows = 0 <= unread <= _UNREAD_BYTES if self._matroska else unread <= _UNREAD_BYTES_OF_TS
            self._skipped = self._skipped or not follows
        with_headers = size if self._matroska else size * 188 // 184 + 376
        self._begin_of_block, self._end_of_block = begins, max(self._end_of_block, begins + with_headers)


def time_stamp_of(packet: Packet) -> int | None:
    """When its frame is shown, in ticks; None where nobody knows."""
    return packet.pts if packet.pts is not None else packet.dts


def _why(error: av.error.FFmpegError | OSError) -> str:
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return "nothing came any more"
    if isinstance(error, av.error.ConnectionResetError | av.error.BrokenPipeError):
        return "the connection was reset"
    return "the connection broke off" if error.errno == errno.EIO else plain(error)
