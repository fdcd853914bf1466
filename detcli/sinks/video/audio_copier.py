"""The sound of a file, packet by packet as a video of its frames continues: copied, never decoded."""

from __future__ import annotations  # packets are generic in the eyes of the type checker alone

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from detcli.errors import OutputError
from detcli.sinks.video.adts import config_of, without_head
from detcli.sinks.video.fragments import FragmentWriter
from detcli.sinks.video.video_formats import VideoFormat

_LATE_S = 60  # after the video: the first fragment waits for the sound, and is kept in memory until then
_MOST_DAMAGE = 100  # packets in a row that cannot be read, before the rest is given up
# What so many channels are where a file does not say (PCM of Matroska and AVI): MP4 wants to be told.
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_JUMP_FROM_S = 10  # what comes before the video is skipped by a jump, where it is longer


@dataclass(slots=True)
class _AudioTrack:
    """One stream of sound: its copy, whether its packets have heads that the copy's lose, and the last time stamp."""

    copy: AudioStream
    has_heads: bool
    last_dts: int | None = None


class AudioCopier:
    """Opens the file that a video is made of, and copies its streams of sound next to the frames.

    path    a file; one that cannot be read is one without sound, for its frames tell what is wrong with it
    from_s  time of the video's first frame, in seconds since the file's first frame

    remarks  what could not be copied, as sentences
    """

    def __init__(self, path: Path, from_s: float) -> None:
        self.remarks: list[str] = []
        self._path, self._from_s = path, from_s
        self._opened = ExitStack()
        self._input: InputContainer | None = None
        self._zero_s = Fraction(0)  # time of the video's first frame by the clock of the file
        self._voices: dict[int, _AudioTrack] = {}
        self._packets: Iterator[Packet[Stream]] = iter(())
        self._next: Packet[Stream] | None = None  # read already, later than was asked for
        try:
            self._zero_s = _time_of_first_frame(path) + Fraction(from_s)
            self._input = self._opened.enter_context(_read(path, self._opened))
        except (OSError, av.FFmpegError):
            self._opened.close()

    @property
    def streams(self) -> list[AudioStream]:
        """Those of the file that can be copied at all."""
        return [] if self._input is None else [stream for stream in self._input.streams.audio if stream.codec_context]

    def join(self, film: OutputContainer, film_format: VideoFormat) -> None:
        """Add the streams that this format holds to a video of it that is not begun."""
        self._voices = {}
        if not self.streams:
            return
        firsts = _first_packets(self._path, {stream.index for stream in self.streams}, self._zero_s + _LATE_S)
        for stream in self.streams:
            first = firsts.get(stream.index)
            if first is None:
                self._leave_out("it begins more than a minute after the video")
            elif not _is_taken(stream, first, film_format):
                self._leave_out(f"{film_format.container} takes no {stream.codec_context.codec.canonical_name}")
            else:
                self._voices[stream.index] = _added(film, stream, first)
        self._packets = self._from_start() if self._voices else iter(())

    def copy(self, film: OutputContainer, until_s: float | None) -> int:
        """Write what begins before that time of the video, or all that is left; returns how many packets."""
        count = 0
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = packet
            if until_s is not None and self._begin_s(packet) >= until_s:
                break
            self._next = None
            count += self._write(film, packet)
        return count

    def close(self) -> None:
        """Let go of the file."""
        self._opened.close()
        self._packets, self._next, self._input = iter(()), None, None

    def _leave_out(self, why: str) -> None:
        self.remarks.append(f"sound of '{self._path}' is left out: {why}")

    def _begin_s(self, packet: Packet[Stream]) -> float:
        """When it is heard, in seconds of the video."""
        return float((packet.pts or 0) * packet.time_base - self._zero_s)

    def _from_start(self) -> Iterator[Packet[Stream]]:
        """Every packet of the streams that are copied, from the video's first frame on; all, where that is the file's."""
        cut = self._from_s > 0
        if cut and self._from_s > _JUMP_FROM_S and self._input is not None:
            with suppress(av.FFmpegError):  # else all of it is read
                self._input.seek(int((self._zero_s - 1) * av.time_base))
        for packet in self._all():
            if not cut or self._begin_s(packet) + float((packet.duration or 1) * packet.time_base) > 0:
                yield packet

    def _all(self) -> Iterator[Packet[Stream]]:
        """Packets with time stamps; those that are damaged are skipped."""
        if self._input is None:
            return
        damaged = 0
        wanted = [stream for stream in self.streams if stream.index in self._voices]
        packets = self._input.demux(wanted)
        while damaged < _MOST_DAMAGE:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                damaged += 1
                packets = self._input.demux(wanted)
                continue
            if packet is None:
                return
            damaged = 0
            if packet.pts is not None and packet.dts is not None:
                yield packet
        self._leave_out("the rest of it is damaged")

    def _write(self, film: OutputContainer, packet: Packet[Stream]) -> int:
        voice = self._voices[packet.stream_index]
        back = round(self._zero_s / packet.time_base)
        pts, dts = packet.pts, packet.dts
        if pts is None or dts is None or (voice.last_dts is not None and dts - back <= voice.last_dts):
            return 0  # muxers refuse time that runs backwards
        if voice.has_heads:
            packet = _like(packet, without_head(bytes(packet)))
        packet.pts, packet.dts, voice.last_dts = pts - back, dts - back, dts - back
        packet.stream = voice.copy
        try:
            film.mux(packet)
        except av.FFmpegError:  # a packet that is not what its stream claims
            return 0
        return 1


def _added(film: OutputContainer, stream: AudioStream, first: Packet[Stream]) -> _AudioTrack:
    """A copy of the stream in the video; raises ValueError or FFmpegError where its container has no word for it."""
    context = stream.codec_context
    copy = film.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(stream.metadata)
    config = config_of(bytes(first)) if context.name == "aac" and not context.extradata else None
    if config is not None:
        copy.codec_context.extradata = config
    if context.layout.name.endswith("channels") and context.layout.nb_channels in _USUAL_LAYOUTS:
        copy.codec_context.layout = _USUAL_LAYOUTS[context.layout.nb_channels]
    return _AudioTrack(copy, has_heads=config is not None)


def _is_taken(stream: AudioStream, first: Packet[Stream], film_format: VideoFormat) -> bool:
    """Whether a video of its own would have it: some containers refuse only once packets come, and tell nobody."""
    pieces = FragmentWriter(_NullOutput(), in_boxes=film_format.in_boxes)
    try:
        with film_format.grown(pieces) as trial:
            voice = _added(trial, stream, first)
            trial.start_encoding()
            packet = _like(first, without_head(bytes(first)) if voice.has_heads else bytes(first))
            packet.pts = packet.dts = 0
            packet.stream = voice.copy
            trial.mux(packet)
    except (ValueError, av.FFmpegError, OutputError):
        return False
    return pieces.error is None and pieces.media > 0


class _NullOutput:
    """An output that keeps nothing."""

    def write(self, data: bytes) -> None: ...
    def flush(self) -> None: ...
    def commit(self) -> None: ...
    def discard(self) -> None: ...


def _read(path: Path, opened: ExitStack) -> InputContainer:
    """Open a file by its bytes alone, so that nothing in it can name another one to read."""
    return av.open(opened.enter_context(path.open("rb")), "r", buffer_size=1 << 18)


def _first_packets(path: Path, wanted: set[int], until_s: Fraction) -> dict[int, Packet[Stream]]:
    """The first packet of each stream, of those that begin before a time of the file's own clock."""
    firsts: dict[int, Packet[Stream]] = {}
    with ExitStack() as opened, suppress(av.FFmpegError):
        container = opened.enter_context(_read(path, opened))
        for packet in container.demux():
            stamp = packet.pts if packet.dts is None else packet.dts
            if wanted <= firsts.keys() or (stamp is not None and stamp * packet.time_base > until_s):
                break
            if packet.stream_index in wanted and packet.size:
                firsts.setdefault(packet.stream_index, packet)
    return firsts


def _like(packet: Packet[Stream], data: bytes) -> Packet[Stream]:
    """Other data in the place of a packet's."""
    other: Packet[Stream] = Packet(data)
    other.time_base, other.duration, other.is_keyframe = packet.time_base, packet.duration, packet.is_keyframe
    return other


def _time_of_first_frame(path: Path) -> Fraction:
    """In seconds of the file's own clock, which need not begin at 0."""
    with ExitStack() as opened:
        container = opened.enter_context(_read(path, opened))
        for frame in container.decode(video=0):
            stamp = frame.pts if frame.pts is not None else frame.dts
            return Fraction(0) if stamp is None else stamp * Fraction(frame.time_base or 0)
    return Fraction(0)
