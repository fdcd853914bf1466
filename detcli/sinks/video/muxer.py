"""Muxes an annotated video: it grows by complete fragments, and is rewritten as one piece at the end."""

from __future__ import annotations  # Packet is generic for the type checker only

from collections import deque
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.codec.context import ThreadType
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType
from av.video.stream import VideoStream

from detcli.errors import OutputError
from detcli.io.atomic_write import AtomicFile
from detcli.io.media import clean_metadata, open_media
from detcli.io.output_paths import VIDEO_MARK
from detcli.io.outputs import OutputFile
from detcli.sinks.video.audio_copier import AudioCopier
from detcli.sinks.video.colorspace import output_tags
from detcli.sinks.video.fragments import FragmentWriter
from detcli.sinks.video.source_extras import SourceExtras
from detcli.sinks.video.source_losses import hdr_options
from detcli.sinks.video.video_formats import VideoFormat
from detcli.structures.frame import VideoTraits

TICKS = 90_000  # per second, the clock of MPEG: the duration of a frame at 24, 25, 30 and 60 fps is an integer
_FRAGMENT_S = 2  # a killed run loses at most this much; also the step of seeking
_INDEX_BYTES_PER_SAMPLE = 36  # largest size in the index of MP4, without reordered frames: stsz, stts, stsc, co64, stss
_BYTES_A_CUE = 40
_BUFFER = 1 << 18


class VideoMuxer:
    """Encodes frames and copies audio into an output that can only grow.

    traits   of the source: pixel aspect, color and HDR metadata that the video keeps
    samples  packets written so far
    """

    def __init__(
        self,
        output: OutputFile,
        video_format: VideoFormat,
        size_hw: tuple[int, int],
        *,
        name: str,
        rate: Fraction,
        sound: AudioCopier | None,
        traits: VideoTraits | None = None,
    ) -> None:
        self._output, self._format, self._size_hw = output, video_format, size_hw
        self._name, self._rate, self._sound = name, rate, sound
        self._traits = traits
        self._next_key = 0
        self.samples = 0
        try:
            self._container, self._video = self._begin()
        except (av.FFmpegError, ValueError) as error:
            raise self._failed(error) from error

    def write(self, frame: av.VideoFrame) -> None:
        """Encode the next frame, whose `pts` is in TICKS and larger than the one before. Raises OutputError."""
        pts = frame.pts or 0
        frame.time_base = Fraction(1, TICKS)
        if pts >= self._next_key:
            frame.pict_type = PictureType.I
            self._next_key = pts + _FRAGMENT_S * TICKS
        try:
            self._mux(frame)
            if self._sound is not None:
                self.samples += self._sound.copy(self._container, pts / TICKS)
        except av.FFmpegError as error:
            raise self._failed(error) from error
        self._check()

    def close(self, sound_until_s: float | None) -> None:
        """Flush the encoder, copy audio up to a time or to its end, and finish. Raises OutputError."""
        try:
            self._mux(None)
            if self._sound is not None:
                self.samples += self._sound.copy(self._container, sound_until_s)
            self._container.close()
        except av.FFmpegError as error:
            raise self._failed(error) from error
        self._check()

    def abort(self) -> None:
        """Close the encoder; the content of the output stays."""
        self._fragments.error = self._fragments.error or OutputError("aborted")
        with suppress(av.FFmpegError, OutputError, OSError):
            self._container.close()

    def _begin(self) -> tuple[OutputContainer, VideoStream]:
        """Open encoder and container; without audio if the container refuses it."""
        try:
            return self._open(self._sound)
        except av.FFmpegError as error:
            if self._sound is None or not self._sound.streams:
                raise
            self._sound.remarks.append(f"the audio is left out of '{self._name}': {error.strerror or error}")
            self._sound = None
            return self._open(None)

    def _open(self, sound: AudioCopier | None) -> tuple[OutputContainer, VideoStream]:
        self._fragments = FragmentWriter(self._output, in_boxes=self._format.in_boxes)
        container = self._format.open_growing(self._fragments)
        encoder, encoder_options = self._format.encoder, dict(self._format.options)
        if self._traits is not None:
            encoder_options |= hdr_options(self._traits, encoder)
        video = cast("VideoStream", container.add_stream(encoder, rate=self._rate, options=encoder_options))
        video.height, video.width = self._size_hw
        video.pix_fmt = "yuv420p"
        context = video.codec_context
        context.time_base = Fraction(1, TICKS)
        context.gop_size = 600  # frames; key frames at the start of a fragment are requested one by one
        context.thread_type, context.thread_count = ThreadType.AUTO, 0
        tags = output_tags(None if self._traits is None else self._traits.color)
        context.colorspace, context.color_primaries = tags.matrix, tags.primaries
        context.color_trc, context.color_range = tags.transfer, tags.range
        if self._traits is not None and self._traits.pixel_aspect is not None:
            context.sample_aspect_ratio = self._traits.pixel_aspect
        if sound is not None:
            sound.join(container, self._format)
        _mark(container, video)
        container.start_encoding()
        return container, video

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._video.encode(frame):
            packet.duration = round(TICKS / self._rate)
            self._container.mux(packet)
            self.samples += 1

    def _check(self) -> None:
        if self._fragments.error is not None:
            raise self._fragments.error

    def _failed(self, error: Exception) -> Exception:
        """The exception of the output, which muxers may hide, or that of the encoder."""
        height, width = self._size_hw
        reason = error.strerror if isinstance(error, av.FFmpegError) else error
        message = (
            f"cannot write '{self._name}': {self._format.encoder} cannot encode {width} x {height} pixels: {reason}"
        )
        return self._fragments.error or OutputError(message)


def write_in_one_piece(
    path: Path, video_format: VideoFormat, *, samples: int, rate: Fraction, extras: SourceExtras | None = None
) -> None:
    """Rewrite a fragmented video as one piece with its index first, for a fast start and exact seeking.

    samples  number of packets, or more: space for the index is reserved accordingly
    rate     frames per second: the duration of a last frame whose packet has none
    extras   metadata, chapters, subtitles and attachments that are added

    The new file replaces the old one when it is complete. Raises OutputError, or FFmpegError for a video that cannot
    be read; the old file then stays.
    """
    samples += extras.samples if extras is not None else 0
    reserved = (1 << 14) + samples * _INDEX_BYTES_PER_SAMPLE
    options = (
        {"moov_size": str(reserved)} if video_format.in_boxes else {"reserve_index_space": str((1 << 12) + samples)}
    )
    with (
        path.open("rb") as file,
        open_media(file, buffer_size=_BUFFER) as fragmented,
        AtomicFile(path, locked=True) as new,
    ):
        durable = _DurableFile(new)
        try:
            with av.open(durable, "w", format=video_format.container, options=options, buffer_size=_BUFFER) as complete:
                _copy(fragmented, complete, rate if video_format.in_boxes else None, extras)
        except av.FFmpegError as error:
            raise durable.error or error from error
        if durable.error is not None:
            raise durable.error


def _mark(container: OutputContainer, video: VideoStream) -> None:
    """Mark a video as annotated, so that later runs over its folder do not read it: see `is_annotated_video`."""
    container.metadata["encoding_tool"] = VIDEO_MARK  # the writing application of Matroska
    video.metadata["handler_name"] = VIDEO_MARK  # of MP4, in the first track


def _copy(
    fragmented: InputContainer, complete: OutputContainer, rate: Fraction | None, extras: SourceExtras | None
) -> None:
    """Copy all packets.

    rate  frames per second for MP4, whose edit list would hide a last frame without a duration
    """
    copies = {stream.index: complete.add_stream_from_template(stream, opaque=True) for stream in fragmented.streams}
    for stream in fragmented.streams:
        copies[stream.index].metadata.update(clean_metadata(stream.metadata))
        copies[stream.index].disposition = stream.disposition
    subtitles = extras.add_to(complete) if extras is not None else {}
    _mark(complete, complete.streams.video[0])
    waiting = deque(extras.packets if extras is not None else ())
    for packet in fragmented.demux():
        if packet.size:
            while waiting and (waiting[0].dts or 0) * waiting[0].time_base <= (packet.dts or 0) * packet.time_base:
                _write_subtitle(complete, waiting.popleft(), subtitles)
            if rate is not None and not packet.duration and packet.stream.type == "video":
                packet.duration = round(1 / (rate * packet.time_base))
            packet.stream = copies[packet.stream_index]
            complete.mux(packet)
    for packet in waiting:
        _write_subtitle(complete, packet, subtitles)


def _write_subtitle(complete: OutputContainer, packet: Packet[Any], subtitles: dict[int, Stream]) -> None:
    packet.stream = subtitles[packet.stream_index]
    complete.mux(packet)


class _DurableFile:
    """A file that raises its first error and discards everything after it: a muxer still writes while it is closed."""

    def __init__(self, file: AtomicFile) -> None:
        self._file = file
        self.error: OutputError | None = None

    def write(self, data: bytes) -> int:
        """Add bytes."""
        if self.error is None:
            try:
                self._file.write(data)
            except OutputError as error:
                self.error = error
                raise
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position, which writes what is buffered."""
        if self.error is None:
            try:
                return self._file.seek(offset, whence)
            except OutputError as error:
                self.error = error
                raise
        return offset

    def tell(self) -> int:
        """The current position."""
        return self._file.tell() if self.error is None else 0
