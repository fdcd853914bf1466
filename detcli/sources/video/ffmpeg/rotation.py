"""Converts decoded frames of FFmpeg to upright RGB pixels, in the thread that needs them."""

import struct
import threading
from dataclasses import dataclass
from typing import cast

import av
import av.error
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import VideoReformatter
from PIL import Image

from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels, Resize

_per_thread = threading.local()


@dataclass(frozen=True, slots=True)
class LazyVideoFrame:
    """A decoded frame of the input; it is converted to RGB when it is called."""

    origin: Origin
    decoded: av.VideoFrame

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Convert and rotate it; returns a FailedFrame where that fails. Works in any thread.

        resize  where it is given, the frame has the resized pixels only
        """
        try:
            pixels = upright_pixels(self.decoded)
        except MemoryError:
            return FailedFrame(self.origin, "too-large", "there is not enough memory for it (MemoryError)")
        except (av.error.FFmpegError, ValueError) as error:
            name = self.decoded.format.name
            return FailedFrame(self.origin, "unsupported", f"pixels of the format {name} cannot be converted ({error})")
        size_hw = (pixels.shape[0], pixels.shape[1])
        if resize is not None:
            return Frame(self.origin, size_hw, None, resize(Image.fromarray(pixels)))
        return Frame(self.origin, size_hw, pixels)


def upright_pixels(frame: av.VideoFrame) -> Pixels:
    """The pixels of a frame, uint8 [H, W, 3] RGB, contiguous, rotated and mirrored by its display matrix.

    Equal to PyAV's `frame.to_ndarray(format="rgb24")` for an upright frame. Raises the same errors.
    """
    if not hasattr(_per_thread, "reformatter"):
        _per_thread.reformatter = (
            VideoReformatter()
        )  # it reuses its tables for the next frame, and works in one thread only
    pixels = _per_thread.reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return np.ascontiguousarray(_turned(pixels, _turn(frame)))


def upright_size_hw(frame: av.VideoFrame) -> tuple[int, int]:
    """Height and width of `upright_pixels`, without a conversion."""
    swaps, _, _ = _turn(frame)
    return (frame.width, frame.height) if swaps else (frame.height, frame.width)


def is_turned_sideways(frame: av.VideoFrame) -> bool:
    """Whether width and height are swapped in `upright_pixels`."""
    return _turn(frame)[0]


def _turned(pixels: Pixels, turn: tuple[bool, bool, bool]) -> Pixels:
    swaps, mirrors_x, mirrors_y = turn
    if swaps:
        pixels = pixels.transpose(1, 0, 2)
    return pixels[:: -1 if mirrors_y else 1, :: -1 if mirrors_x else 1]


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Whether x and y are swapped, and whether x and y are then mirrored.

    The matrix is a, b, u, c, d, v, x, y, w: a pixel (p, q) is shown at (a p + c q + x, b p + d q + y); 16.16 fixed
    point, y downwards. Other angles are rounded to multiples of 90 degrees. Source: FFmpeg, libavutil/display.h.
    """
    side_data = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if side_data is None or side_data.buffer_size != 36:
        return False, False, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side_data))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0
