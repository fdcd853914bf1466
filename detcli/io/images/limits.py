"""The default limits of an image file."""

from typing import Final

DEFAULT_MAX_PIXELS: Final = 250_000_000  # a larger image is refused before it is decoded
MAX_IMAGE_BYTES: Final = 8 * DEFAULT_MAX_PIXELS  # no format needs more: 16 bits per sample, four samples per pixel
