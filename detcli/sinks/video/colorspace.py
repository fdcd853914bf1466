"""RGB to YUV 4:2:0 by ITU-R BT.601 in the limited (broadcast) range."""

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from detcli.structures.frame import Pixels

# Metadata for players: matrix, primaries and transfer as numbered in H.273, and FFmpeg's number of the limited range.
MATRIX, PRIMARIES, TRANSFER, RANGE = 6, 1, 1, 1


class Yuv420Converter:
    """Converts frames of one size; FFmpeg's tables for that size are computed once."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, pixels: Pixels) -> av.VideoFrame:
        """Convert uint8 [H, W, 3] RGB with even sides; four pixels share the mean of their colors."""
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), "rgb24")  # not copied
        return self._reformatter.reformat(
            frame, format="yuv420p", dst_colorspace=Colorspace.ITU601, interpolation=Interpolation.AREA
        )
