"""Reads the video packets of a source, over damaged parts, until it ends or is lost."""

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
_MAX_FAILED_READS: Final = 32  # in a row: then the rest cannot be read
_JUMP_S: Final = 1  # a larger step back means that the clock was set again
_MARKED_AT_A_JOIN: Final = 2  # packets of an MPEG-TS file where another file was appended: their counters jump
_MAX_UNREAD_BYTES: Final = 64  # between blocks of a Matroska file; their headers are shorter
_MAX_UNREAD_BYTES_OF_TS: Final = 20 * 188  # tables, and padding of a constant bit rate
# In these formats a packet ends where the next one begins: FFmpeg returns a part of the last one when a stream is lost.
_PARTIAL_PACKETS = frozenset({"mpegts", "mpeg", "h264", "hevc", "m4v", "mpegvideo", "mjpeg"})


class LostError(Exception):
    """The connection is lost, or the server is silent; `str(error)` is a reason without credentials."""


class Demuxer:
    """Iterates once; reports damage between the packets to `corruption`. Raises LostError where a stream is lost, and
    SourceError where an object cannot be read to its end.

    on_packet  called for each packet
    count      number of packets so far
    """

    def __init__(self, opened: OpenContainer, corruption: CorruptionDetector, on_packet: Callable[[], None]) -> None:
        self.count = 0
        self._opened, self._corruption, self._on_packet = opened, corruption, on_packet
        self._container, self._stream = opened.container, opened.stream
        self._last_dts: int | None = None
        self._offset = 0  # ticks added to time stamps
        self._at_joins: set[int | None] = set()  # time stamps of the last packets before the clock was set back
        self._block_start, self._block_end = 0, 0
        self._skipped = False  # bytes before the next video packet

    def __iter__(self) -> Iterator[Packet]:
        """The packets in the order of the source, none of them empty."""
        name = self._container.format.name
        if self._opened.remote:
            delay = 1 if name in _PARTIAL_PACKETS else 0
        else:
            delay = _MARKED_AT_A_JOIN if name == "mpegts" else 0
        held, offset = deque[Packet](), 0
        for packet in self._read():
            if offset != self._offset:
                offset = self._offset
                self._at_joins.update(previous.dts for previous in held)
            held.append(packet)
            if len(held) > delay:
                yield held.popleft()
        yield from held

    def is_damaged(self, packet: Packet) -> bool:
        """Whether FFmpeg marked it as corrupt, except where another recording was appended."""
        return packet.is_corrupt and packet.dts not in self._at_joins

    def _read(self) -> Iterator[Packet]:
        failed = 0
        while True:
            try:
                for packet in self._packets():
                    self._opened.check_store()
                    if self._is_video(packet):
                        self._on_packet()
                        self.count += 1
                        failed = 0
                        yield packet
                break
            except av.error.InvalidDataError:
                failed += 1
                self._opened.check_store()
                self._corruption.damage_found()
                if failed > _MAX_FAILED_READS:
                    break
            except (av.error.FFmpegError, OSError) as error:
                self._opened.check_store()
                if not self._opened.remote:
                    self._corruption.damage_found()
                    break
                raise LostError(_reason(error)) from None
        self._opened.check_store()
        if not self._opened.finite:
            raise LostError("the server closed the stream")

    def _packets(self) -> Iterator[Packet]:
        """The packets that were read ahead, then those of the source."""
        while self._opened.read_ahead:
            packet = self._opened.read_ahead.popleft()
            if isinstance(packet, Exception):
                raise packet
            yield cast("Packet", packet)
        packets = self._container.demux() if self._opened.every_byte else self._container.demux(self._stream)
        yield from cast("Iterator[Packet]", packets)

    def _is_video(self, packet: Packet) -> bool:
        """Whether it is a video packet with data; checks the bytes and the clock before it."""
        if not packet.size:
            return False  # an empty packet requests to drain the decoder, which is done at the end
        if self._opened.every_byte and packet.pos is not None and packet.pos >= 0:
            self._check_position(packet.pos, packet.size)
        if packet.stream_index != self._stream.index:
            return False
        self._continue_clock(packet)
        time_stamp = time_stamp_of(packet)
        if self._skipped and time_stamp is not None:
            self._corruption.bytes_skipped(time_stamp)
            self._skipped = False
        if packet.dts is not None and self._last_dts is not None and packet.dts < self._last_dts:
            self._corruption.reset()  # the order is wrong from here on
        self._last_dts = packet.dts if packet.dts is not None else self._last_dts
        return True

    def _continue_clock(self, packet: Packet) -> None:
        """Add an offset to time stamps where the clock was set back, as in joined files, so that they continue."""
        if packet.dts is None or "mp4" in self._container.format.name:  # their index is in order
            return
        back = 0 if self._last_dts is None else self._last_dts - (packet.dts + self._offset)
        if back * self._opened.base > _JUMP_S:
            rate = self._stream.average_rate
            self._offset += back + (packet.duration or (round(1 / (rate * self._opened.base)) if rate else 1))
        if self._offset:
            packet.dts += self._offset
            packet.pts = None if packet.pts is None else packet.pts + self._offset

    def _check_position(self, start: int, size: int) -> None:
        """Check that a packet starts shortly after the end of the previous one."""
        unread, is_same_block = start - self._block_end, start == self._block_start  # a block may hold several packets
        if self._block_end and not is_same_block:
            follows = (
                0 <= unread <= _MAX_UNREAD_BYTES if self._opened.is_matroska else unread <= _MAX_UNREAD_BYTES_OF_TS
            )
            self._skipped = self._skipped or not follows
        with_headers = size if self._opened.is_matroska else size * 188 // 184 + 376
        self._block_start, self._block_end = start, max(self._block_end, start + with_headers)


def time_stamp_of(packet: Packet) -> int | None:
    """The presentation time of its frame, in ticks; None where it is unknown."""
    return packet.pts if packet.pts is not None else packet.dts


def _reason(error: av.error.FFmpegError | OSError) -> str:
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return "no more data arrived"
    if isinstance(error, av.error.ConnectionResetError | av.error.BrokenPipeError):
        return "the connection was reset"
    return "the connection was lost" if error.errno == errno.EIO else plain(error)
