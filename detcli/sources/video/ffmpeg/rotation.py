"""Decoded frames of FFmpeg -> upright RGB pixels, in whichever thread asks for them."""

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

_own = threading.local()


@dataclass(frozen=True, slots=True)
class LazyVideoFrame:
    """A decoded frame that has a place in the input; it becomes RGB when it is called."""

    origin: Origin
    decoded: av.VideoFrame

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Convert and turn it; never raises for what is wrong with the image. Safe in any thread.

        resize  where it is given, the frame has the resized pixels alone
        """
        try:
            pixels = upright_pixels(self.decoded)
        except MemoryError:
            return FailedFrame(self.origin, "too-large", "there is not enough memory for it (MemoryError)")
        except (av.error.FFmpegError, ValueError) as error:
            name = self.decoded.format.name
            return FailedFrame(self.origin, "unsupported", f"pixels of the kind {name} cannot be converted ({error})")
        size_hw = (pixels.shape[0], pixels.shape[1])
        if resize is not None:
            return Frame(self.origin, size_hw, None, resize(Image.fromarray(pixels)))
        return Frame(self.origin, size_hw, pixels)


def upright_pixels(frame: av.VideoFrame) -> Pixels:
    """Its pixels, uint8 [H, W, 3] RGB, contiguous; turned and mirrored as its display matrix says.

    Equal to PyAV's `frame.to_ndarray(format="rgb24")` where the frame is upright already. Raises what PyAV raises.
    """
    if not hasattr(_own, "reformatter"):
        _own.reformatter = VideoReformatter()  # it keeps its tables from one frame to the next, and is of one thread
    pixels = _own.reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return np.ascontiguousarray(_turned(pixels, _turn(frame)))


def upright_size_hw(frame: av.VideoFrame) -> tuple[int, int]:
    """Height and width of `upright_pixels`, without converting any."""
    swaps, _, _ = _turn(frame)
    return (frame.width, frame.height) if swaps else (frame.height, frame.width)


def _turned(pixels: Pixels, turn: tuple[bool, bool, bool]) -> Pixels:
    swaps, mirrors_x, mirrors_y = turn
    if swaps:
        pixels = pixels.transpose(1, 0, 2)
    return pixels[:: -1 if mirrors_y else 1, :: -1 if mirrors_x else 1]


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Whether x and y change places, and then whether x and y run backwards.

    The matrix is a, b, u, c, d, v, x, y, w: a pixel (p, q) is shown at (a p + c q + x, b p + d q + y); 16.16 fixed
    point, y downwards. Angles between are rounded to right ones. Source: FFmpeg, libavutil/display.h.
    """
    side_data = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if side_data is None or side_data.buffer_size != 36:
        return False, False, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side_data))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0
