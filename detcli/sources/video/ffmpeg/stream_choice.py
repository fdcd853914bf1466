"""Chooses the video stream of a container that has several: the video itself, not a cover, a thumbnail or a still.

Flags of the streams come first, then their lengths and numbers of frames, then the default flag, then the size. A stream
whose header has no length is read ahead: a still ends with its first packet.
"""

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

ReadAhead: TypeAlias = "deque[Packet[Any] | av.error.FFmpegError]"

_COVERS: Final = Disposition.attached_pic | Disposition.timed_thumbnails
_SIDE_STREAMS: Final = _COVERS | Disposition.still_image | Disposition.dependent | Disposition.non_diegetic
PLAYLISTS: Final = frozenset({"hls", "dash"})  # their streams are the same video in several sizes
_MOST_READ_AHEAD: Final = 256  # packets
_MOST_READ_AHEAD_LIVE: Final = 64  # one or two seconds
_ENOUGH_PACKETS: Final = 12  # of a stream: it is a video
_LONG: Final = 0.5  # of the longest stream: a shorter one is a preview
_DENSE: Final = 0.1  # of the frames of the one with the most: one with fewer shows slides


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """The chosen stream.

    stream       to decode
    read_ahead   packets read meanwhile, of all streams, and the error that ended the reading
    description  which one of several it is; None where it is the only one
    """

    stream: VideoStream
    read_ahead: ReadAhead
    description: str | None


@dataclass(frozen=True, slots=True)
class _Length:
    """How long a stream is; None where it is not known.

    frames   number of frames
    seconds  from its begin to its end
    """

    frames: int | None
    seconds: float | None

    @property
    def is_still(self) -> bool:
        return self.frames is not None and self.frames <= 1

    @property
    def is_known(self) -> bool:
        return self.frames is not None and self.seconds is not None


def choose_stream(container: InputContainer, *, live: bool = False) -> StreamChoice | None:
    """The stream with the video; None where there is none but covers.

    live  read less ahead
    """
    videos = [stream for stream in container.streams.video if not stream.disposition & _COVERS]
    if not videos:
        return None
    candidates = [stream for stream in videos if is_decodable(stream)] or videos
    candidates = [stream for stream in candidates if not stream.disposition & _SIDE_STREAMS] or candidates
    read_ahead: ReadAhead = deque()
    lengths = {stream.index: _length(stream) for stream in candidates}
    if len(candidates) > 1:
        if container.format.name not in PLAYLISTS and not all(length.is_known for length in lengths.values()):
            read_ahead = _read_ahead(container, candidates, most=_MOST_READ_AHEAD_LIVE if live else _MOST_READ_AHEAD)
            lengths |= _lengths_read(lengths, read_ahead)
        candidates = _longest(candidates, lengths)
    stream = max(candidates, key=lambda one: (bool(one.disposition & Disposition.default), _pixels(one), -one.index))
    return StreamChoice(stream, read_ahead, _description(stream, videos, lengths))


def is_decodable(stream: VideoStream) -> bool:
    """Whether there is a decoder for its codec."""
    return getattr(stream, "codec_context", None) is not None


def _longest(streams: Sequence[VideoStream], lengths: dict[int, _Length]) -> list[VideoStream]:
    """Those that are not stills, not much shorter than the longest one, and not with far fewer frames than another."""
    moving = [stream for stream in streams if not lengths[stream.index].is_still] or list(streams)
    most_s = max(lengths[stream.index].seconds or 0.0 for stream in moving)
    long = [stream for stream in moving if _is_at_least(lengths[stream.index].seconds, _LONG * most_s)]
    most = max(lengths[stream.index].frames or 0 for stream in long)
    return [stream for stream in long if _is_at_least(lengths[stream.index].frames, _DENSE * most)]


def _is_at_least(value: float | None, least: float) -> bool:
    return value is None or value >= least


def _pixels(stream: VideoStream) -> int:
    return stream.codec_context.width * stream.codec_context.height if is_decodable(stream) else -1


def _length(stream: VideoStream) -> _Length:
    """What the headers report."""
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else _tagged_s(stream)
    frames = stream.frames or _tagged_frames(stream)
    if not frames and seconds is not None and stream.average_rate:
        frames = max(round(seconds * stream.average_rate), 1)
    return _Length(frames or None, seconds)


def _tagged_s(stream: VideoStream) -> float | None:
    """The duration that a Matroska file has as a tag, HH:MM:SS.sss."""
    hours, _, rest = _tag(stream, "DURATION").partition(":")
    minutes, _, seconds = rest.partition(":")
    with suppress(ValueError):
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return None


def _tagged_frames(stream: VideoStream) -> int:
    text = _tag(stream, "NUMBER_OF_FRAMES")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _tag(stream: VideoStream, name: str) -> str:
    """The value of a tag, which may have a language: `DURATION`, `DURATION-eng`."""
    return next((value for key, value in stream.metadata.items() if key.upper().split("-")[0] == name), "")


def _read_ahead(container: InputContainer, streams: Sequence[VideoStream], *, most: int) -> ReadAhead:
    """The first packets of all streams, until each of these has enough."""
    packets: ReadAhead = deque()
    counts: Counter[int] = Counter()
    try:
        for packet in container.demux():
            if packet.size:
                packets.append(packet)
                counts[packet.stream_index] += 1
            is_enough = all(counts[stream.index] >= _ENOUGH_PACKETS for stream in streams)
            if is_enough or len(packets) >= most:
                break
    except av.error.FFmpegError as error:
        packets.append(error)
    return packets


def _lengths_read(lengths: dict[int, _Length], packets: ReadAhead) -> dict[int, _Length]:
    """The lengths where they are not known: a stream without a second packet is a still."""
    counts = Counter(packet.stream_index for packet in packets if not isinstance(packet, Exception))
    most = max((counts[index] for index in lengths), default=0)
    if most < _ENOUGH_PACKETS:  # a short or broken source, or another one of sound: too little to know
        return {}
    return {
        index: _Length(1, length.seconds)
        for index, length in lengths.items()
        if counts[index] <= 1 and length.frames is None
    }


def _description(stream: VideoStream, videos: Sequence[VideoStream], lengths: dict[int, _Length]) -> str | None:
    if len(videos) == 1:
        return None
    others = "; ".join(
        f"not stream {other.index}: {_in_words(other, lengths.get(other.index))}"
        for other in videos
        if other.index != stream.index
    )
    return (
        f"it has {len(videos)} video streams; used is stream {stream.index}: "
        f"{_in_words(stream, lengths.get(stream.index))}; {others}"
    )


def _in_words(stream: VideoStream, length: _Length | None) -> str:
    if not is_decodable(stream):
        return "no decoder"
    context = stream.codec_context
    words = [context.name, f"{context.width} x {context.height}"]
    if length is None:
        words.append("a still or a part of another one")
    elif length.is_still:
        words.append("1 frame")
    elif length.seconds is not None:
        words.append(f"{length.seconds:.2f} s")
    return ", ".join(words)
