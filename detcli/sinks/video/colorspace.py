"""RGB to YUV 4:2:0, by the matrix and in the range of the source; by ITU-R BT.601 and limited where there is none."""

from collections.abc import Mapping
from typing import Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from detcli.structures.frame import ColorTags, Pixels

STANDARD: Final = ColorTags(matrix=6, primaries=1, transfer=1, range=1)
_UNSPECIFIED, _FULL = 2, 2
# Matrices as numbered in H.273 that FFmpeg converts to. It reads unspecified ones as BT.601, so they are written as such.
_MATRICES: Final[Mapping[int, Colorspace | int]] = {
    1: Colorspace.ITU709,
    _UNSPECIFIED: Colorspace.ITU601,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: getattr(Colorspace, "BT2020", 9),  # PyAV 17 takes the number, and has no name for it
}


def output_tags(source: ColorTags | None) -> ColorTags:
    """The tags of a copy: those of the source, except for a matrix that cannot be written."""
    if source is None:
        return STANDARD
    matrix = source.matrix if source.matrix in _MATRICES else STANDARD.matrix
    return ColorTags(matrix, source.primaries, source.transfer, source.range)


class Yuv420Converter:
    """Converts frames of one size; FFmpeg's tables for that size are computed once.

    tags  matrix and range of the result, see `output_tags`
    """

    def __init__(self, tags: ColorTags = STANDARD) -> None:
        self._reformatter = VideoReformatter()
        self._matrix = _MATRICES[tags.matrix]
        self._range = ColorRange.JPEG if tags.range == _FULL else ColorRange.MPEG

    def __call__(self, pixels: Pixels) -> av.VideoFrame:
        """Convert uint8 [H, W, 3] RGB with even sides; four pixels share the mean of their colors."""
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), "rgb24")  # not copied
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=self._matrix,
            dst_color_range=self._range,
            interpolation=Interpolation.AREA,
        )
