"""Annotated video: every frame with its boxes, at the time it had, with the sound of the file it came from."""

import math
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from detcli.errors import OutputError, UsageError
from detcli.io.output_paths import is_same_file
from detcli.io.outputs import is_stream, open_output
from detcli.sinks.sink import BaseSink
from detcli.sinks.video.audio_copier import AudioCopier
from detcli.sinks.video.colorspace import to_yuv420
from detcli.sinks.video.muxer import TICKS, VideoMuxer, write_in_one_piece
from detcli.sinks.video.video_formats import has_encoder, video_format
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.visualization.draw import draw
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.text_renderer import text_renderer

_USUAL_RATE = 30.0  # frames a second, where nobody knows
_RATES = (0.1, 480.0)  # those that are believed


class VideoWriter(BaseSink):
    """Writes a video that a browser plays: H.264 in MP4, or what the suffix stands for.

    A frame keeps its time: a gap makes the frame before it last, and no frame is invented. An odd side gets one more
    line of pixels; a frame of another size than the first is fitted into that one's. A frame whose detection failed is
    shown as it is.

    The file plays while it grows, up to its last fragment. Once the run ends, in whatever way, it is put in order, its
    index first; where the disk has no room for that, it stays in fragments, and `remarks` says so.

    target        a file, overwritten; or a pipe or a device, which gets the fragments
    rate          frames a second, the mean where it varies; None: unknown
    sound_from    the source of the frames, if it has sound: the sound is copied; None: no sound
    sound_is_file `sound_from` is a file; sound of streams and cameras cannot be copied, and `remarks` says so
    sound_to_end  copy the sound that comes after the last frame too; False where only a part of the file is looked at
    has           whether an encoder is there

    Raises UsageError for a suffix that stands for no video, for a font file that is none, and where the video would
    overwrite the file it is made of; OutputError where it cannot be written.
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
        sound_from: str | None = None,
        sound_is_file: bool = True,
        sound_to_end: bool = True,
        has: Callable[[str], bool] = has_encoder,
    ) -> None:
        self._target, self._labels, self._style = target, labels, style or DrawingStyle()
        self._format = video_format(target, has)
        text_renderer(self._style.font)  # a bad font file is told before the first frame
        if sound_from is not None and sound_is_file and is_same_file(target, sound_from):
            raise UsageError(f"'{target}' is the video that is read: give the annotated one another name")
        self._rate = rate if rate is not None and _RATES[0] <= rate <= _RATES[1] else _USUAL_RATE
        self._sound_from, self._sound_to_end = sound_from if sound_is_file else None, sound_to_end
        self._output = open_output(target, in_place=True)
        self._film: VideoMuxer | None = None
        self._sound: AudioCopier | None = None
        self._size_hw = (0, 0)
        self._first_s = 0.0
        self._last_pts = -1
        self._count = 0
        self._ended = False
        self._remarks: list[str] = []
        if sound_from is not None and not sound_is_file:
            self._remarks.append(f"sound of '{sound_from}' is left out: it can only be copied from a file")

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Draw and encode one frame; what could not be read leaves its time to the frame before."""
        if isinstance(frame, FailedFrame) or frame.pixels is None:
            return
        pixels = frame.pixels
        if not isinstance(detections, FailedFrame):
            pixels = draw(pixels, detections, self._labels, self._style)
        time_s = self._count / self._rate if frame.origin.time_s is None else frame.origin.time_s
        try:
            film = self._film or self._begin((pixels.shape[0], pixels.shape[1]), time_s)
            image = av.VideoFrame.from_ndarray(to_yuv420(fitted(pixels, self._size_hw)), "yuv420p")
            self._last_pts = max(self._last_pts + 1, round((time_s - self._first_s) * TICKS))
            image.pts = self._last_pts
            self._count += 1
            film.write(image)
        except Exception:
            self.abort()
            raise

    def close(self, *, complete: bool) -> None:
        """Write the end and put the file in order; an interrupted video is the beginning of the whole one."""
        if self._ended:
            return
        if self._film is None:
            self.abort()
            self._remarks.append(f"there is no '{self._target}': no frame could be read")
            return
        to_end = complete and self._sound_to_end
        try:
            self._film.close(None if to_end else self._last_pts / TICKS + 1 / self._rate)
            self._output.commit()
        except Exception:
            self.abort()
            raise
        self._end()
        if not is_stream(self._target):
            self._put_in_order(self._film.samples)

    def abort(self) -> None:
        """Leave the fragments that are whole, or no file where there are none."""
        if self._ended:
            return
        if self._film is not None:
            self._film.abort()
        self._output.discard()
        if (self._film is None or not self._film.media) and not is_stream(self._target):
            with suppress(OSError):
                self._target.unlink()
        self._end()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was left out of the video, and why."""
        return tuple(self._remarks)

    def _begin(self, size_hw: tuple[int, int], time_s: float) -> VideoMuxer:
        self._size_hw = (size_hw[0] + size_hw[0] % 2, size_hw[1] + size_hw[1] % 2)  # colors are kept for 2 x 2 pixels
        self._first_s = time_s
        self._sound = AudioCopier(Path(self._sound_from), time_s) if self._sound_from is not None else None
        rate = Fraction(self._rate).limit_denominator(1001)
        self._film = VideoMuxer(
            self._output, self._format, self._size_hw, name=str(self._target), rate=rate, sound=self._sound
        )
        return self._film

    def _put_in_order(self, samples: int) -> None:
        try:
            write_in_one_piece(self._target, self._format, samples=samples)
        except (OutputError, OSError, av.FFmpegError) as error:
            self._remarks.append(f"'{self._target}' plays, but is left in fragments: {error}")

    def _end(self) -> None:
        self._ended = True
        if self._sound is not None:
            self._sound.close()
            self._remarks += self._sound.remarks


def fitted(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    """The image at exactly this size: with its last lines repeated where one is missing, else scaled, black around."""
    height, width = size_hw
    below, beside = height - pixels.shape[0], width - pixels.shape[1]
    if (below, beside) == (0, 0):
        return pixels
    if 0 <= below <= 1 and 0 <= beside <= 1:
        return np.pad(pixels, ((0, below), (0, beside), (0, 0)), "edge")
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner = max(1, math.floor(pixels.shape[0] * scale)), max(1, math.floor(pixels.shape[1] * scale))
    shrinks = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas: Pixels = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = cv2.resize(pixels, inner[::-1], interpolation=shrinks)
    return canvas
