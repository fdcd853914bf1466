"""Decodes PNGs whose pixels are numbers: palette indices, gray values, or the colors of Pascal VOC."""

import numpy as np
import numpy.typing as npt

from detcli.errors import ImageError
from detcli.io.images.formats import check_head, image_format
from detcli.io.images.limits import DEFAULT_MAX_PIXELS, HEAD_BYTES
from detcli.io.images.open_header import open_header
from detcli.io.images.pillow_settings import pillow_settings

VOID = 255  # of pixels that count neither as an object nor as background

Numbers = npt.NDArray[np.int64]
_MODES = ("1", "P", "L", "I", "I;16")


def decode_numbers(data: bytes) -> Numbers:
    """Number of each pixel, int64 [H, W]. Raises ImageError."""
    check_head(data[:HEAD_BYTES])
    if image_format(data[:HEAD_BYTES]) != "PNG":
        raise ImageError("unsupported", "it is no PNG")
    try:
        with pillow_settings(DEFAULT_MAX_PIXELS):
            image = open_header("PNG", data)
            if image.width * image.height > DEFAULT_MAX_PIXELS:
                raise ImageError("too-large", f"{image.width} x {image.height} pixels are more than the limit")
            pixels = np.asarray(image if image.mode in _MODES else image.convert("RGB"))
    except ImageError:
        raise
    except Exception as error:  # decoders raise many kinds of exceptions
        raise ImageError("decode-failed", f"damaged PNG ({type(error).__name__})") from error
    return pixels.astype(np.int64) if pixels.ndim == 2 else _by_color(pixels)


def _by_color(pixels: npt.NDArray[np.uint8]) -> Numbers:
    """Numbers of the colors of the challenges: bits 0, 3, 6 … of a number are the highest bits of red, 1, 4 … of green."""
    numbers: Numbers = np.zeros(pixels.shape[:2], np.int64)
    for channel in range(3):
        for bit in range(3):
            is_set = (pixels[..., channel] >> (7 - bit)) & 1
            numbers |= is_set.astype(np.int64) << (3 * bit + channel)
    return np.where((pixels == (224, 224, 192)).all(axis=-1), VOID, numbers)
