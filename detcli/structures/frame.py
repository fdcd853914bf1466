"""One image and its origin, or an image that could not be read and the reason."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from detcli.errors import ImageErrorCode

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

# Converts a decoded RGB image to the pixels [h, w, 3] of a network's input.
Resize = Callable[["Image.Image"], Pixels]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a frame comes from.

    index     position in the complete input, from 0; the same in a resumed run
    file      the path as the user can type it (bytes that are not UTF-8 as surrogate escapes), or a URL
    relative  the name below the sources' common folder, "/" between parts, unique in a run: `file_name` in COCO files, and
              the path of annotated images
    stem      `relative` without its suffix, or with it where two images would have the same stem: the path of text files
    frame     number in a video, from 0; None for images
    time_s    seconds since the first frame's time stamp; None for images
    source    name of the source, equal for all of its frames: for a video the folder part of `relative`, for images the
              argument that named them; "" where it is unknown. It is not written to results.
    """

    index: int
    file: str
    relative: str
    stem: str
    frame: int | None = None
    time_s: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class ImageMetadata:
    """Metadata of the original file, for annotated copies.

    format  Pillow's name of the format: "JPEG", "PNG", …
    exif    raw EXIF block with the orientation reset to upright, or None
    icc     raw ICC color profile, or None
    """

    format: str
    exif: bytes | None = None
    icc: bytes | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One upright image.

    size_hw   height and width in pixels
    pixels    uint8 [H, W, 3] RGB; None where they are not needed, or no longer
    prepared  uint8 [h, w, 3] RGB, resized for the network: by the source where `pixels` are not needed, otherwise by the
              detector; None before that, and after the network
    metadata  for annotated copies; None for frames without a file
    """

    origin: Origin
    size_hw: tuple[int, int]
    pixels: Pixels | None
    prepared: Pixels | None = None
    metadata: ImageMetadata | None = None

    def without_pixels(self) -> "Frame":
        """The same frame without its full-size pixels."""
        return replace(self, pixels=None)


@dataclass(frozen=True, slots=True)
class FailedFrame:
    """An image that could not be read: `code` for programs, `message` for people, without the name of the file."""

    origin: Origin
    code: ImageErrorCode
    message: str
