"""Goes straight to a place in a file whose index has every frame (MP4, MOV), and counts those on the way by the index."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from detcli.sources.video.ffmpeg.demuxer import Packet

_SPARE_S = 1  # time stamps of the index say when a frame is decoded, which is that much before it is shown at most


def jump_ahead(
    container: InputContainer, stream: VideoStream, packets: Iterator[Packet], begins: Packet, until: int
) -> tuple[Packet, int]:
    """Continue at a key frame before a time stamp, if one lies ahead.

    packets  of the stream, as they are read; after the jump those behind the packet that is returned
    begins   the last packet that came, of a key frame
    until    time stamp, in ticks of the stream

    Returns the packet of that key frame and how many frames lie before it, counted from `begins`; else `begins` and 0.
    """
    index, base = stream.index_entries, stream.time_base or Fraction(1)
    here = _place(stream, begins)
    near = index.search_timestamp(until - round(_SPARE_S / base))
    there = index.search_timestamp(index[near].timestamp - 1) if near > 0 else -1  # of open groups, the one before
    if here is None or there <= here:
        return begins, 0
    landed = _next_after(container, stream, packets, index[there].timestamp)
    place = None if landed is None else _place(stream, landed)
    if landed is not None and place is not None and place >= here and landed.is_keyframe:
        return landed, sum(not entry.is_discard for entry in index[here:place])
    _next_after(container, stream, packets, index[here].timestamp)  # it is damaged there: back, and read on
    return begins, 0


def _place(stream: VideoStream, packet: Packet) -> int | None:
    """Where it stands in the index."""
    if packet.dts is None:
        return None
    place = stream.index_entries.search_timestamp(packet.dts, any_frame=True)
    return place if place >= 0 and stream.index_entries[place].timestamp == packet.dts else None


def _next_after(
    container: InputContainer, stream: VideoStream, packets: Iterator[Packet], time_stamp: int
) -> "Packet | None":
    with suppress(av.error.FFmpegError, OSError):  # then it continues where it is, which is seen by what comes
        container.seek(time_stamp, stream=stream)
    return next(packets, None)
