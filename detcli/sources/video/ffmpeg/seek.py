"""Jumps to a position in a file whose index has every frame (MP4, MOV), and counts the skipped frames by the index."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from detcli.sources.video.ffmpeg.demuxer import Packet

_MARGIN_S = 1  # the index holds decoding times, which are at most this much before presentation times


def jump_ahead(
    container: InputContainer, stream: VideoStream, packets: Iterator[Packet], current: Packet, until: int
) -> tuple[Packet, int]:
    """Continue at a key frame before a time stamp, if one lies ahead.

    packets  of the stream; after the jump those after the returned packet
    current  the last packet read, of a key frame
    until    time stamp, in ticks of the stream

    Returns the packet of that key frame and the number of frames skipped from `current` on; otherwise `current` and 0.
    """
    index, base = stream.index_entries, stream.time_base or Fraction(1)
    here = _index_of(stream, current)
    near = index.search_timestamp(until - round(_MARGIN_S / base))
    there = (
        index.search_timestamp(index[near].timestamp - 1) if near > 0 else -1
    )  # the one before, because of open GOPs
    if here is None or there <= here:
        return current, 0
    landed = _next_after(container, stream, packets, index[there].timestamp)
    position = None if landed is None else _index_of(stream, landed)
    if landed is not None and position is not None and position >= here and landed.is_keyframe:
        return landed, sum(not entry.is_discard for entry in index[here:position])
    _next_after(container, stream, packets, index[here].timestamp)  # damaged there: go back and continue to read
    return current, 0


def _index_of(stream: VideoStream, packet: Packet) -> int | None:
    """Its position in the index."""
    if packet.dts is None:
        return None
    position = stream.index_entries.search_timestamp(packet.dts, any_frame=True)
    return position if position >= 0 and stream.index_entries[position].timestamp == packet.dts else None


def _next_after(
    container: InputContainer, stream: VideoStream, packets: Iterator[Packet], time_stamp: int
) -> "Packet | None":
    with suppress(
        av.error.FFmpegError, OSError
    ):  # then it continues where it is, and the caller sees that by the next packet
        container.seek(time_stamp, stream=stream)
    return next(packets, None)
