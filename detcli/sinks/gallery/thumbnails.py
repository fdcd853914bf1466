"""Small copies of images and of their masks, for pages of many images."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from detcli.structures.frame import Pixels
from detcli.structures.masks import Rle
from detcli.visualization.colors import Color

_QUALITY = 82
_GAP = 2.0  # images are reduced to this multiple of the size in a fast way first
_ALPHA = 115  # of masks, 0 … 255
_MAX_SEGMENTS = 255  # colors of a palette, without the transparent one


def thumbnail_size(size_hw: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height of the copy whose longer side is at most `side`; never larger than the image."""
    height, width = size_hw
    scale = min(1.0, side / max(height, width, 1))
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink(image: Image.Image, side: int) -> Pixels:
    """The pixels of a copy, uint8 [h, w, 3] RGB."""
    size = thumbnail_size((image.height, image.width), side)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=_GAP))


def encode_thumbnail(pixels: Pixels) -> bytes:
    """Encode uint8 [h, w, 3] RGB as JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def encode_masks(masks: Sequence[Rle], colors: Sequence[Color], side: int) -> bytes | None:
    """Masks of one image as a PNG whose longer side is at most `side`, transparent where there is none.

    masks   the first is on top
    colors  one per mask

    Returns None for an image without masks, and for one whose masks are too large to be decoded.
    """
    if not masks or masks[0].size_hw[0] * masks[0].size_hw[1] > DEFAULT_MAX_PIXELS or 0 in masks[0].size_hw:
        return None
    height, width = masks[0].size_hw
    columns, rows = (
        np.minimum((np.arange(count) + 0.5) * full / count, full - 1).astype(np.int64)
        for count, full in zip(thumbnail_size((height, width), side), (width, height), strict=True)
    )
    shown = list(zip(masks, colors, strict=True))[:_MAX_SEGMENTS]
    indices = np.zeros((len(rows), len(columns)), np.uint8)
    for number in range(len(shown), 0, -1):
        indices[shown[number - 1][0].decode()[np.ix_(rows, columns)]] = number
    image = Image.fromarray(indices).convert("P")
    image.putpalette([0, 0, 0, *(channel for _, color in shown for channel in color)])
    file = io.BytesIO()
    image.save(file, "PNG", transparency=bytes([0, *[_ALPHA] * len(shown)]))
    return file.getvalue()
