"""The default limits of an image file, and how much of it tells its format."""

from typing import Final

DEFAULT_MAX_PIXELS: Final = 250_000_000  # a larger image is refused before it is decoded
HEAD_BYTES: Final = 64  # enough to recognize every format
MAX_IMAGE_BYTES: Final = 8 * DEFAULT_MAX_PIXELS  # no format needs more: 16 bits per sample, four samples per pixel
