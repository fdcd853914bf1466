"""Copies the audio streams of a file, packet by packet, into the annotated video; nothing is decoded."""

from __future__ import annotations  # Packet is generic for the type checker only

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from detcli.errors import OutputError
from detcli.io.media import open_media
from detcli.sinks.video.adts import config_of, without_header
from detcli.sinks.video.fragments import FragmentWriter
from detcli.sinks.video.source_extras import kept_metadata
from detcli.sinks.video.video_formats import VideoFormat

_MAX_LATE_S = 60  # audio may start this late: until then the first fragment is kept in memory
_MAX_DAMAGED = 100  # unreadable packets in a row; after that the rest is left out
# Channel layouts by number of channels, for files that do not name one (PCM in Matroska and AVI): MP4 requires it.
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_SEEK_FROM_S = 10  # seek if the video starts later than this in the file


@dataclass(slots=True)
class _AudioTrack:
    """One audio stream of the output.

    copy         the stream
    has_headers  packets of the input have ADTS headers, which the copy must not have
    last_dts     decoding time stamp of the last packet
    """

    copy: AudioStream
    has_headers: bool
    last_dts: int | None = None


class AudioCopier:
    """Opens the source file of an annotated video, and copies its audio streams.

    path         source file; an unreadable one counts as a file without audio, since its frames report the error
    from_s       time of the first annotated frame, in seconds after the first frame of the file
    video_index  of the stream whose frames are annotated; None: the first one
    start_s      time of the first annotated frame on the clock of the file
    remarks      sentences about what could not be copied
    """

    def __init__(self, path: Path, from_s: float, video_index: int | None = None) -> None:
        self.remarks: list[str] = []
        self._path, self._from_s = path, from_s
        self._stack = ExitStack()
        self._input: InputContainer | None = None
        self.start_s = Fraction(0)  # time of the first annotated frame on the clock of the file
        self._tracks: dict[int, _AudioTrack] = {}
        self._packets: Iterator[Packet[Stream]] = iter(())
        self._next: Packet[Stream] | None = None  # already read, but not due yet
        try:
            self.start_s = _time_of_first_frame(path, video_index) + Fraction(from_s)
            self._input = self._stack.enter_context(_open(path, self._stack))
        except (OSError, av.FFmpegError):
            self._stack.close()

    @property
    def streams(self) -> list[AudioStream]:
        """The audio streams of the file whose codec FFmpeg knows."""
        return [] if self._input is None else [stream for stream in self._input.streams.audio if stream.codec_context]

    def join(self, output: OutputContainer, video_format: VideoFormat) -> None:
        """Add the streams that the format supports to an output that has not started."""
        self._tracks = {}
        if not self.streams:
            return
        first_packets = _first_packets(
            self._path, {stream.index for stream in self.streams}, self.start_s + _MAX_LATE_S
        )
        for stream in self.streams:
            first = first_packets.get(stream.index)
            if first is None:
                self._leave_out("it starts more than a minute after the video")
            elif not _is_supported(stream, first, video_format):
                self._leave_out(
                    f"{video_format.container} does not support {stream.codec_context.codec.canonical_name}"
                )
            else:
                self._tracks[stream.index] = _add_track(output, stream, first)
        self._packets = self._packets_from_start() if self._tracks else iter(())

    def copy(self, output: OutputContainer, until_s: float | None) -> int:
        """Write the packets that start before a time of the video, or all; returns the number of packets."""
        count = 0
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = packet
            if until_s is not None and self._time_s(packet) >= until_s:
                break
            self._next = None
            count += self._write(output, packet)
        return count

    def close(self) -> None:
        """Close the file."""
        self._stack.close()
        self._packets, self._next, self._input = iter(()), None, None

    def _leave_out(self, reason: str) -> None:
        self.remarks.append(f"the audio of '{self._path}' is left out: {reason}")

    def _time_s(self, packet: Packet[Stream]) -> float:
        """Start time of a packet, in seconds of the video."""
        return float((packet.pts or 0) * packet.time_base - self.start_s)

    def _packets_from_start(self) -> Iterator[Packet[Stream]]:
        """The packets of the copied streams from the first annotated frame on."""
        cut = self._from_s > 0
        if cut and self._from_s > _SEEK_FROM_S and self._input is not None:
            with suppress(av.FFmpegError):  # without seeking, everything before is read
                self._input.seek(int((self.start_s - 1) * av.time_base))
        for packet in self._all_packets():
            if not cut or self._time_s(packet) + float((packet.duration or 1) * packet.time_base) > 0:
                yield packet

    def _all_packets(self) -> Iterator[Packet[Stream]]:
        """All packets with time stamps; damaged ones are skipped."""
        if self._input is None:
            return
        damaged = 0
        indices = [stream for stream in self.streams if stream.index in self._tracks]
        packets = self._input.demux(indices)
        while damaged < _MAX_DAMAGED:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                damaged += 1
                packets = self._input.demux(indices)
                continue
            if packet is None:
                return
            damaged = 0
            if packet.pts is not None and packet.dts is not None:
                yield packet
        self._leave_out("the rest of it is damaged")

    def _write(self, output: OutputContainer, packet: Packet[Stream]) -> int:
        track = self._tracks[packet.stream_index]
        offset = round(self.start_s / packet.time_base)
        pts, dts = packet.pts, packet.dts
        if pts is None or dts is None or (track.last_dts is not None and dts - offset <= track.last_dts):
            return 0  # muxers require increasing time stamps
        if track.has_headers:
            packet = _with_data(packet, without_header(bytes(packet)))
        packet.pts, packet.dts, track.last_dts = pts - offset, dts - offset, dts - offset
        packet.stream = track.copy
        try:
            output.mux(packet)
        except av.FFmpegError:  # the packet does not match its stream
            return 0
        return 1


def _add_track(output: OutputContainer, stream: AudioStream, first: Packet[Stream]) -> _AudioTrack:
    """Add a copy of a stream to the output. Raises ValueError or FFmpegError if the container does not support it."""
    context = stream.codec_context
    copy = output.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(kept_metadata(stream.metadata))
    copy.disposition = stream.disposition
    config = config_of(bytes(first)) if context.name == "aac" and not context.extradata else None
    if config is not None:
        copy.codec_context.extradata = config
    if context.layout.name.endswith("channels") and context.layout.nb_channels in _USUAL_LAYOUTS:
        copy.codec_context.layout = _USUAL_LAYOUTS[context.layout.nb_channels]
    return _AudioTrack(copy, has_headers=config is not None)


def _is_supported(stream: AudioStream, first: Packet[Stream], video_format: VideoFormat) -> bool:
    """Whether the format supports a stream. Tries it, because some containers fail only at the first packet."""
    fragments = FragmentWriter(_NullOutput(), in_boxes=video_format.in_boxes)
    try:
        with video_format.open_growing(fragments) as trial:
            track = _add_track(trial, stream, first)
            trial.start_encoding()
            packet = _with_data(first, without_header(bytes(first)) if track.has_headers else bytes(first))
            packet.pts = packet.dts = 0
            packet.stream = track.copy
            trial.mux(packet)
    except (ValueError, av.FFmpegError, OutputError):
        return False
    return fragments.error is None and fragments.media > 0


class _NullOutput:
    """An output that discards everything."""

    def write(self, data: bytes) -> None: ...
    def flush(self) -> None: ...
    def commit(self, *, complete: bool = True) -> None: ...
    def discard(self) -> None: ...


def _open(path: Path, stack: ExitStack) -> InputContainer:
    """Open a file as bytes, so that its content cannot make FFmpeg open another file."""
    return stack.enter_context(open_media(stack.enter_context(path.open("rb")), buffer_size=1 << 18))


def _first_packets(path: Path, indices: set[int], until_s: Fraction) -> dict[int, Packet[Stream]]:
    """The first packet of each stream that starts before a time on the clock of the file."""
    first_packets: dict[int, Packet[Stream]] = {}
    with ExitStack() as stack, suppress(av.FFmpegError):
        container = _open(path, stack)
        for packet in container.demux():
            stamp = packet.pts if packet.dts is None else packet.dts
            if indices <= first_packets.keys() or (stamp is not None and stamp * packet.time_base > until_s):
                break
            if packet.stream_index in indices and packet.size:
                first_packets.setdefault(packet.stream_index, packet)
    return first_packets


def _with_data(packet: Packet[Stream], data: bytes) -> Packet[Stream]:
    """A packet with other data and the same timing."""
    other: Packet[Stream] = Packet(data)
    other.time_base, other.duration, other.is_keyframe = packet.time_base, packet.duration, packet.is_keyframe
    return other


def _time_of_first_frame(path: Path, video_index: int | None) -> Fraction:
    """Time of the first video frame on the clock of the file, which may not start at 0."""
    with ExitStack() as stack:
        container = _open(path, stack)
        videos = container.streams.video
        chosen = [stream for stream in videos if stream.index == video_index] or list(videos[:1])
        if not chosen:
            return Fraction(0)
        for frame in cast("Iterator[VideoFrame]", container.decode(chosen)):
            stamp = frame.pts if frame.pts is not None else frame.dts
            return Fraction(0) if stamp is None else stamp * Fraction(frame.time_base or 0)
    return Fraction(0)
