"""One image and where it came from; or one that could not be read, and why."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from detcli.errors import ImageErrorCode

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

# From a decoded RGB image to the pixels [h, w, 3] that a network takes.
Resize = Callable[["Image.Image"], Pixels]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a frame comes from.

    index     position in the complete input, from 0; the same in a resumed run
    file      the path as the user can type it (bytes that are not UTF-8 as surrogate escapes), or a URL
    relative  the name below the sources' common folder, "/" between parts, no two of a run the same:
              COCO `file_name`, and where drawn images go
    stem      `relative` without its suffix, with it where two images would share a stem: where a text file goes
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
    """What an annotated copy keeps of the original file.

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

    size_hw    height and width in pixels
    pixels     uint8 [H, W, 3] RGB; None where nobody needs them, or not any more
    prepared   uint8 [h, w, 3] RGB, resized for the network: by the source where nobody needs `pixels`, else by the
               detector; None before that, and after the network
    keepsakes  metadata for annotated copies; None where there was no file
    """

    origin: Origin
    size_hw: tuple[int, int]
    pixels: Pixels | None
    prepared: Pixels | None = None
    metadata: ImageMetadata | None = None

    def without_pixels(self) -> "Frame":
        """The same frame, its full-size pixels let go of."""
        return replace(self, pixels=None)


@dataclass(frozen=True, slots=True)
class FailedFrame:
    """An image that could not be read: `code` for programs, `message` for people."""

    origin: Origin
    code: ImageErrorCode
    message: str
