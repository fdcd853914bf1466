"""Annotated video: every frame with its detections, at its original time, with all that belongs to its source."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from PIL import Image

from detcli.errors import OutputError, UsageError
from detcli.io.output_paths import is_same_file
from detcli.io.outputs import is_stream, open_output
from detcli.sinks.sink import BaseSink
from detcli.sinks.video.audio_copier import AudioCopier
from detcli.sinks.video.colorspace import Yuv420Converter, output_tags
from detcli.sinks.video.muxer import TICKS, VideoMuxer, write_in_one_piece
from detcli.sinks.video.source_extras import SourceExtras, finished_extras, missing_in
from detcli.sinks.video.source_losses import pixel_losses
from detcli.sinks.video.video_formats import has_encoder, video_format
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels, VideoTraits
from detcli.visualization.draw_frame import draw_frame
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.text_renderer import text_renderer

_DEFAULT_RATE = 30.0  # frames per second, if the rate is unknown
_RATES = (0.1, 480.0)  # a rate outside these bounds counts as unknown


class VideoWriter(BaseSink):
    """Writes a video that browsers play: H.264 in MP4, or the format of the suffix.

    A frame keeps its time: before a gap, the last frame is shown longer, and no frame is added. An odd width or height
    gets one more line of pixels; a frame of another size than the first one is fitted into the first size. A frame
    whose detection failed has no boxes.

    The file appears with its first fragment, and is playable while it grows, up to its last one. When the run ends, it is rewritten as one piece with
    its index first; if the disk is too full for that, it stays fragmented, and `remarks` reports it.

    target        a file, which is overwritten; or a pipe or a device, which receives the fragments
    rate          mean frame rate in frames per second; None: unknown
    copy_from      source whose audio, subtitles, chapters and metadata are copied; None: nothing is
    is_file        the source is a file; of streams and cameras nothing can be copied, and `remarks` reports their audio
    has_sound      the source has audio, or may have
    to_end         also copy what follows the last frame; False if only a part of the file is processed
    traits         of the source: pixel aspect, color and HDR metadata are kept, `remarks` reports what cannot be kept
    has            whether FFmpeg has an encoder

    Raises UsageError for an unknown suffix, for an invalid font file, and if the video would overwrite its own source;
    OutputError if it cannot be written.
    """

    ordered = True
    needs_pixels = True

    def __init__(
        self,
        target: Path,
        labels: ClassLabels,
        style: DrawingStyle | None = None,
        *,
        rate: float | None = None,
        copy_from: str | None = None,
        is_file: bool = True,
        has_sound: bool = True,
        to_end: bool = True,
        traits: VideoTraits | None = None,
        has: Callable[[str], bool] = has_encoder,
    ) -> None:
        self._target, self._labels, self._style = target, labels, style or DrawingStyle()
        self._format = video_format(target, has)
        text_renderer(self._style.font)  # report an invalid font file before the first frame
        if copy_from is not None and is_file and is_same_file(target, copy_from):
            raise UsageError(f"'{target}' is the input video: give the annotated video another name")
        self._rate = rate if rate is not None and _RATES[0] <= rate <= _RATES[1] else _DEFAULT_RATE
        self._source, self._to_end, self._traits = copy_from, to_end, traits
        self._file = Path(copy_from) if copy_from is not None and is_file else None
        self._output = open_output(target, in_place=True, never_empty=True)
        self._muxer: VideoMuxer | None = None
        self._sound: AudioCopier | None = None
        self._to_yuv420 = Yuv420Converter(output_tags(None if traits is None else traits.color))
        self._size_hw = (0, 0)
        self._first_s = 0.0
        self._start_s = Fraction(0)  # of the video, on the clock of its source
        self._last_pts = -1
        self._count = 0
        self._ended = False
        self._remarks: list[str] = []
        self._losses = [] if traits is None else pixel_losses(traits, self._format)
        if copy_from is not None and not is_file and has_sound:
            self._remarks.append(f"the audio of '{copy_from}' is left out: it can only be copied from a file")

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Draw and encode one frame; a failed frame is skipped, and the frame before it is shown longer."""
        if isinstance(frame, FailedFrame) or frame.pixels is None:
            return
        pixels = draw_frame(frame, frame.pixels, detections, self._labels, self._style)
        time_s = self._count / self._rate if frame.origin.time_s is None else frame.origin.time_s
        try:
            muxer = self._muxer or self._begin((pixels.shape[0], pixels.shape[1]), time_s)
            image = self._to_yuv420(fitted(pixels, self._size_hw))
            self._last_pts = max(self._last_pts + 1, round((time_s - self._first_s) * TICKS))
            image.pts = self._last_pts
            self._count += 1
            muxer.write(image)
        except Exception:
            self.abort()
            raise

    def close(self, *, complete: bool) -> None:
        """Finish the file and rewrite it as one piece; an interrupted run leaves the first part of the video."""
        if self._ended:
            return
        if self._muxer is None:
            self.abort()
            self._remarks.append(f"'{self._target}' was not written: no frame could be read")
            return
        until_s = None if complete and self._to_end else self._last_pts / TICKS + 1 / self._rate
        try:
            self._muxer.close(until_s)
            self._output.commit()
        except Exception:
            self.abort()
            raise
        self._end()
        with finished_extras(self._file, self._format, self._video_index, self._start_s, until_s) as extras:
            if not is_stream(self._target):
                self._write_in_one_piece(self._muxer.samples, extras)
            elif extras is not None and extras.is_something:
                self._losses.append("metadata, chapters and subtitles (only a finished file has them)")
        if self._losses:
            losses = "; ".join(dict.fromkeys(self._losses))
            self._remarks.append(f"'{self._target}' has not everything of '{self._source}': {losses}")

    def abort(self) -> None:
        """Keep the complete fragments; if there are none, an old file stays."""
        if self._ended:
            return
        if self._muxer is not None:
            self._muxer.abort()
        self._output.discard()
        self._end()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was left out of the video, and why."""
        return tuple(self._remarks)

    def _begin(self, size_hw: tuple[int, int], time_s: float) -> VideoMuxer:
        self._size_hw = (size_hw[0] + size_hw[0] % 2, size_hw[1] + size_hw[1] % 2)  # one color per 2 x 2 pixels
        self._first_s = time_s
        if self._file is not None:
            self._sound = AudioCopier(self._file, time_s, self._video_index)
            self._start_s = self._sound.start_s
        self._muxer = VideoMuxer(
            self._output,
            self._format,
            self._size_hw,
            name=str(self._target),
            rate=self._exact_rate,
            sound=self._sound,
            traits=self._traits,
        )
        return self._muxer

    @property
    def _exact_rate(self) -> Fraction:
        return Fraction(self._rate).limit_denominator(1001)

    @property
    def _video_index(self) -> int | None:
        return None if self._traits is None else self._traits.stream

    def _write_in_one_piece(self, samples: int, extras: SourceExtras | None) -> None:
        write = partial(write_in_one_piece, self._target, self._format, samples=samples, rate=self._exact_rate)
        try:
            try:
                write(extras=extras)
            except (av.FFmpegError, ValueError) as error:
                if extras is None or not extras.is_something:
                    raise
                write()
                self._losses.append(f"metadata, chapters and subtitles ({error})")
            else:
                if extras is not None:
                    self._losses += [*extras.losses, *missing_in(self._target, extras)]
        except (OutputError, OSError, av.FFmpegError) as error:
            self._remarks.append(f"'{self._target}' is playable, but stays fragmented: {error}")

    def _end(self) -> None:
        self._ended = True
        if self._sound is not None:
            self._sound.close()
            self._remarks += self._sound.remarks


def fitted(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    """The image at exactly this size: the last line repeated if one is missing, otherwise scaled with black borders."""
    height, width = size_hw
    missing_rows, missing_columns = height - pixels.shape[0], width - pixels.shape[1]
    if (missing_rows, missing_columns) == (0, 0):
        return pixels
    if 0 <= missing_rows <= 1 and 0 <= missing_columns <= 1:
        return np.pad(pixels, ((0, missing_rows), (0, missing_columns), (0, 0)), "edge")
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner = max(1, math.floor(pixels.shape[0] * scale)), max(1, math.floor(pixels.shape[1] * scale))
    canvas: Pixels = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    resized = np.asarray(Image.fromarray(pixels).resize(inner[::-1], Image.Resampling.BILINEAR))
    canvas[top : top + inner[0], left : left + inner[1]] = resized
    return canvas
