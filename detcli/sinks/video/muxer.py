"""The file of a video: it grows by whole fragments that play while it is written, and is put in order at the end."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.codec.context import ThreadType
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from detcli.errors import OutputError
from detcli.io.atomic_write import AtomicFile
from detcli.io.outputs import OutputFile
from detcli.sinks.video import colorspace as film_colors
from detcli.sinks.video.audio_copier import AudioCopier
from detcli.sinks.video.fragments import FragmentWriter
from detcli.sinks.video.video_formats import VideoFormat

TICKS = 90_000  # a second: the clock of MPEG, in which frames of 24, 25, 30 and 60 a second take integers
_FRAGMENT_S = 2  # what a kill may cost, and as far as a viewer jumps
_BYTES_A_SAMPLE = 36  # of an MP4's index at most, where no frame waits for a later one: stsz, stts, stsc, co64, stss
_BYTES_A_CUE = 40
_BUFFER = 1 << 18


class VideoMuxer:
    """Encodes frames and copies sound into an output that can only grow.

    samples  packets written so far
    media    whether anything that plays has reached the output
    """

    def __init__(
        self,
        output: OutputFile,
        film_format: VideoFormat,
        size_hw: tuple[int, int],
        *,
        name: str,
        rate: Fraction,
        sound: AudioCopier | None,
    ) -> None:
        self._output, self._format, self._size_hw = output, film_format, size_hw
        self._name, self._rate, self._sound = name, rate, sound
        self._next_key = 0
        self.samples = 0
        try:
            self._film, self._video = self._begin()
        except (av.FFmpegError, ValueError) as error:
            raise self._failed(error) from error

    @property
    def media(self) -> bool:
        """Whether anything that plays has reached the output."""
        return self._pieces.media > 0

    def write(self, frame: av.VideoFrame) -> None:
        """Encode the next frame; its `pts` counts `TICKS`, and is above that of the one before. Raises OutputError."""
        pts = frame.pts or 0
        frame.time_base = Fraction(1, TICKS)
        if pts >= self._next_key:
            frame.pict_type = PictureType.I
            self._next_key = pts + _FRAGMENT_S * TICKS
        try:
            self._mux(frame)
            if self._sound is not None:
                self.samples += self._sound.copy(self._film, pts / TICKS)
        except av.FFmpegError as error:
            raise self._failed(error) from error
        self._check()

    def close(self, sound_until_s: float | None) -> None:
        """Write what the encoder holds back, the sound up to a time or to its end, and the end. Raises OutputError."""
        try:
            self._mux(None)
            if self._sound is not None:
                self.samples += self._sound.copy(self._film, sound_until_s)
            self._film.close()
        except av.FFmpegError as error:
            raise self._failed(error) from error
        self._check()

    def abort(self) -> None:
        """Let go of the encoder; what stands in the output stays."""
        self._pieces.error = self._pieces.error or OutputError("given up")
        with suppress(av.FFmpegError, OutputError, OSError):
            self._film.close()

    def _begin(self) -> tuple[OutputContainer, VideoStream]:
        """Open encoder and container; without the sound, where the container refuses it."""
        try:
            return self._opened(self._sound)
        except av.FFmpegError as error:
            if self._sound is None or not self._sound.streams:
                raise
            self._sound.remarks.append(f"the sound is left out of '{self._name}': {error.strerror or error}")
            self._sound = None
            return self._opened(None)

    def _opened(self, sound: AudioCopier | None) -> tuple[OutputContainer, VideoStream]:
        self._pieces = FragmentWriter(self._output, in_boxes=self._format.in_boxes)
        film = self._format.grown(self._pieces)
        encoder, encoder_options = self._format.encoder, dict(self._format.options)
        video = cast("VideoStream", film.add_stream(encoder, rate=self._rate, options=encoder_options))
        video.height, video.width = self._size_hw
        video.pix_fmt = "yuv420p"
        context = video.codec_context
        context.time_base = Fraction(1, TICKS)
        context.gop_size = 600  # frames; those at which a fragment begins are named one by one
        context.thread_type, context.thread_count = ThreadType.AUTO, 0
        context.colorspace, context.color_primaries = film_colors.MATRIX, film_colors.PRIMARIES
        context.color_trc, context.color_range = film_colors.TRANSFER, film_colors.RANGE
        if sound is not None:
            sound.join(film, self._format)
        film.start_encoding()
        return film, video

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._video.encode(frame):
            packet.duration = round(TICKS / self._rate)
            self._film.mux(packet)
            self.samples += 1

    def _check(self) -> None:
        if self._pieces.error is not None:
            raise self._pieces.error

    def _failed(self, error: Exception) -> Exception:
        """What the output said, which muxers may hide, or what the encoder did."""
        height, width = self._size_hw
        reason = error.strerror if isinstance(error, av.FFmpegError) else error
        told = f"cannot write '{self._name}': {self._format.encoder} does not take {width} x {height} pixels: {reason}"
        return self._pieces.error or OutputError(told)


def write_in_one_piece(path: Path, film_format: VideoFormat, *, samples: int) -> None:
    """Write a video of fragments again as one piece, its index first: it starts fast, and can be jumped about in.

    samples  how many packets are in it, or more: the room for the index is kept by it

    The new video takes the place of the old one when it is whole. Raises OutputError, or FFmpegError for a video that
    cannot be read; the old one stays then.
    """
    room = (1 << 14) + samples * _BYTES_A_SAMPLE
    options = {"moov_size": str(room)} if film_format.in_boxes else {"reserve_index_space": str((1 << 12) + samples)}
    with (
        path.open("rb") as file,
        av.open(file, "r", buffer_size=_BUFFER) as grown,
        AtomicFile(path, locked=True) as new,
    ):
        firm = _DurableFile(new)
        try:
            with av.open(firm, "w", format=film_format.container, options=options, buffer_size=_BUFFER) as whole:
                _copy(grown, whole)
        except av.FFmpegError as error:
            raise firm.error or error from error
        if firm.error is not None:
            raise firm.error


def _copy(grown: InputContainer, whole: OutputContainer) -> None:
    copies = {stream.index: whole.add_stream_from_template(stream, opaque=True) for stream in grown.streams}
    for packet in grown.demux():
        if packet.size:
            packet.stream = copies[packet.stream_index]
            whole.mux(packet)


class _DurableFile:
    """A file that raises its first error, and then takes all and keeps nothing: a muxer that is closed writes more."""

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
        """Go to another place."""
        return self._file.seek(offset, whence) if self.error is None else offset

    def tell(self) -> int:
        """The place."""
        return self._file.tell() if self.error is None else 0
