"""What a source file has besides video and audio: metadata, chapters, subtitles, attachments. A finished copy keeps them.

Packets and times are moved to the clock of the copy and cut to its length. What the format does not support is reported.
"""

from __future__ import annotations  # Packet is generic for the type checker only

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from detcli.io.media import clean_metadata, open_media
from detcli.sinks.video.video_formats import VideoFormat

# Written by muxers about the file itself, so wrong for a copy of it.
_OF_THE_FILE: Final = re.compile(
    r"major_brand|minor_version|compatible_brands|encoder|vendor_id|handler_name|rotate|alpha_mode"
    r"|(duration|bps|number_of_(frames|bytes)|_statistics_.*)(-\w+)?",
    re.IGNORECASE,
)
_TIMECODE: Final = "timecode"
_MAX_SUBTITLE_BYTES: Final = 256 << 20
_COVERS: Final = Disposition.attached_pic | Disposition.timed_thumbnails


@dataclass(slots=True)
class SourceExtras:
    """The extras of a file, ready for a copy.

    metadata           of the file
    stream_metadata    of the video stream
    disposition        of the video stream
    chapters           on the clock of the copy, as PyAV has them
    subtitles          streams, opened with the file
    packets            their packets, in order of time, on the clock of the copy
    attachments        streams
    losses             what the copy does not have, in words
    """

    metadata: dict[str, str] = field(default_factory=dict)
    stream_metadata: dict[str, str] = field(default_factory=dict)
    disposition: int = 0
    chapters: list[Any] = field(default_factory=list)
    subtitles: list[Stream] = field(default_factory=list)
    packets: list[Packet[Any]] = field(default_factory=list)
    attachments: list[Stream] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    @property
    def is_something(self) -> bool:
        """Whether there is anything to add."""
        return bool(self.metadata or self.stream_metadata or self.chapters or self.subtitles or self.attachments)

    @property
    def samples(self) -> int:
        """Entries in the index of the copy, or more."""
        texts = sum(len(name) + len(value) for name, value in self.metadata.items())
        titles = sum(sum(map(len, chapter["metadata"].values())) for chapter in self.chapters)
        return 3 * len(self.packets) + 8 * len(self.chapters) + 200 * len(self.subtitles) + (texts + titles) // 4 + 200

    def add_to(self, copy: OutputContainer) -> dict[int, Stream]:
        """Add metadata, chapters and streams to a copy before its first packet; returns its streams of subtitles."""
        copy.metadata.update(self.metadata)
        if self.chapters:
            copy.set_chapters(self.chapters)
        video = copy.streams.video[0]
        video.metadata.update(self.stream_metadata)
        video.disposition = Disposition(self.disposition)
        streams = {}
        for subtitle in self.subtitles:
            stream = copy.add_stream_from_template(subtitle, opaque=True)
            stream.metadata.update(kept_metadata(subtitle.metadata))
            stream.disposition = subtitle.disposition
            streams[subtitle.index] = stream
        for attachment in self.attachments:
            copy.add_stream_from_template(attachment).metadata.update(clean_metadata(attachment.metadata))
        return streams


def read_extras(
    source: InputContainer,
    video_format: VideoFormat,
    *,
    video_index: int | None,
    start_s: Fraction,
    until_s: float | None,
) -> SourceExtras:
    """The extras of an open file.

    video_index  of the copied video stream; None: the first one
    start_s      time of the copy's first frame on the clock of the file
    until_s      length of the copy; None: everything after its start
    """
    extras = SourceExtras(metadata=kept_metadata(source.metadata))
    video = next((one for one in source.streams.video if one.index == video_index), source.streams.video[0])
    extras.stream_metadata, extras.disposition = kept_metadata(video.metadata), int(video.disposition)
    clock = _Clock(start_s, until_s)
    _take_timecode(extras, is_whole=start_s == _start_of(video), in_boxes=video_format.in_boxes)
    _take_streams(extras, source, video, video_format)
    extras.chapters = list(clock.chapters(source.chapters()))
    extras.packets = list(clock.packets(source, extras))
    return extras


@contextmanager
def finished_extras(
    path: Path | None, video_format: VideoFormat, video_index: int | None, start_s: Fraction, until_s: float | None
) -> Iterator[SourceExtras | None]:
    """The extras of a file while it is open; None where there is no file, or it cannot be read any more.

    Arguments as in `read_extras`.
    """
    with ExitStack() as stack:
        extras = None
        if path is not None:
            with suppress(OSError, av.FFmpegError, IndexError):
                source = stack.enter_context(open_media(stack.enter_context(path.open("rb")), buffer_size=1 << 18))
                extras = read_extras(source, video_format, video_index=video_index, start_s=start_s, until_s=until_s)
        yield extras


def missing_in(path: Path, extras: SourceExtras) -> list[str]:
    """What a finished copy lacks of its extras all the same: metadata that its format does not know."""
    with path.open("rb") as file, open_media(file) as copy:
        present = {
            name.lower() for metadata in (copy.metadata, *(one.metadata for one in copy.streams)) for name in metadata
        }
        names = sorted(name for name in extras.metadata | extras.stream_metadata if name.lower() not in present)
        losses = [f"metadata ({_listed(names)})"] if names else []
        lost = len(extras.chapters) - len(copy.chapters())
    return losses + ([f"{lost} of {len(extras.chapters)} chapters"] if lost > 0 else [])


@dataclass(frozen=True, slots=True)
class _Clock:
    """The clock of a copy.

    start_s  its beginning on the clock of the file
    until_s  its length; None: no limit
    """

    start_s: Fraction
    until_s: float | None

    def cut(self, start: int, end: int, base: Fraction) -> tuple[int, int] | None:
        """Begin and end on the clock of the copy, in the same ticks; None for what is not in it."""
        offset = round(self.start_s / base)
        first, last = max(start - offset, 0), end - offset
        if self.until_s is not None:
            last = min(last, round(Fraction(self.until_s) / base))
        return (first, last) if last > first else None

    def chapters(self, chapters: list[Any]) -> Iterator[Any]:
        for chapter in chapters:
            span = self.cut(chapter["start"], chapter["end"], chapter["time_base"])
            if span is not None:
                yield {**chapter, "start": span[0], "end": span[1], "metadata": clean_metadata(chapter["metadata"])}

    def packets(self, source: InputContainer, extras: SourceExtras) -> Iterator[Packet[Any]]:
        if not extras.subtitles:
            return
        size = 0
        with suppress(av.FFmpegError):  # the rest of a damaged file
            for packet in source.demux(extras.subtitles):
                if not packet.size or packet.pts is None:
                    continue
                span = self.cut(packet.pts, packet.pts + (packet.duration or 1), packet.time_base)
                if span is None:
                    continue
                size += packet.size
                if size > _MAX_SUBTITLE_BYTES:
                    extras.losses.append(f"subtitles after the first {_MAX_SUBTITLE_BYTES >> 20} MiB")
                    return
                packet.pts = packet.dts = span[0]
                packet.duration = span[1] - span[0] if packet.duration else 0
                yield packet


def _take_timecode(extras: SourceExtras, *, is_whole: bool, in_boxes: bool) -> None:
    """Keep a time code where it is right, at the first frame of the file, and can be written: as a tag of Matroska.

    The muxer of MP4 makes a track of it, and needs the frame rate of the stream, which PyAV cannot set.
    """
    found = {each.pop(_TIMECODE, None) for each in (extras.metadata, extras.stream_metadata)} - {None}
    if not found:
        return
    code = found.pop()
    if is_whole and not in_boxes and code is not None:
        extras.stream_metadata[_TIMECODE] = code
    else:
        extras.losses.append("the time code" + ("" if is_whole else ", which counts from another frame"))


def _take_streams(extras: SourceExtras, source: InputContainer, video: Stream, video_format: VideoFormat) -> None:
    for stream in source.streams:
        if stream.type == "audio" or stream.index == video.index:
            continue
        if stream.type == "subtitle" and getattr(stream, "codec_context", None) is not None:
            name = stream.codec_context.codec.canonical_name
            if _takes(video_format.container, stream):
                extras.subtitles.append(stream)
            else:
                other = "; .mkv does" if _takes("matroska", stream) else ""
                extras.losses.append(f"subtitles ({video_format.container} does not support {name}{other})")
        elif stream.type == "attachment" and video_format.container == "matroska":
            extras.attachments.append(stream)
        elif stream.type == "video":
            extras.losses.append("a cover image" if stream.disposition & _COVERS else "another video stream")
        elif _TIMECODE not in stream.metadata:  # the track of the time code
            words = {"attachment": "an attachment", "subtitle": "subtitles of an unknown codec"}
            extras.losses.append(words.get(stream.type, "a stream of data"))


def _takes(container: str, stream: Stream) -> bool:
    """Whether a container supports a stream; tried, because only FFmpeg knows."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True


def kept_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata that is also true of a copy."""
    kept = {name: value for name, value in clean_metadata(dict(metadata)).items() if not _OF_THE_FILE.fullmatch(name)}
    if kept.get("language") == "und":  # undetermined
        del kept["language"]
    return kept


def _start_of(stream: Stream) -> Fraction:
    return Fraction(0) if stream.start_time is None else stream.start_time * Fraction(stream.time_base or 0)


def _listed(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
