"""One image and its origin, or an image that could not be read and the reason; and the traits of a video."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from detcli.errors import ImageErrorCode

if TYPE_CHECKING:
    from PIL import Image

    from detcli.counting.frame_counts import FrameCounts

Pixels = npt.NDArray[np.uint8]

# Converts a decoded RGB image to the pixels [h, w, 3] of a network's input.
Resize = Callable[["Image.Image"], Pixels]


class PixelBands(Protocol):
    """The pixels of an image that is not decoded yet, by bands of rows."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image."""

    @property
    def nbytes(self) -> int:
        """The bytes that are in memory."""

    def read(self, top: int, bottom: int) -> Pixels:
        """Decode the rows from top to bottom: uint8 [bottom - top, W, 3] RGB. Raises ImageError."""


@dataclass(frozen=True, slots=True)
class BandedResize:
    """A `Resize` of a reader that takes some images as bands of rows instead.

    resize       for all others
    takes_bands  whether an image of this size is taken as bands, where its format allows it
    """

    resize: Resize
    takes_bands: Callable[[tuple[int, int]], bool]

    def __call__(self, image: "Image.Image") -> Pixels:
        """Resize a decoded image."""
        return self.resize(image)


@dataclass(frozen=True, slots=True)
class ReducedResize:
    """A `Resize` of a reader that needs few pixels: a JPEG is decoded at a fraction of its size, which is faster.

    resize      for all images
    least_side  pixels that the shorter side has at least, where the image has as many
    """

    resize: Resize
    least_side: int

    def __call__(self, image: "Image.Image") -> Pixels:
        """Resize a decoded image."""
        return self.resize(image)


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
    bands     instead of pixels, of a large image that is cut into tiles; None for all others
    counts    lines, zones and what is counted in them up to this frame; None where nothing is counted
    """

    origin: Origin
    size_hw: tuple[int, int]
    pixels: Pixels | None
    prepared: Pixels | None = None
    metadata: ImageMetadata | None = None
    bands: PixelBands | None = None
    counts: "FrameCounts | None" = None

    def without_pixels(self) -> "Frame":
        """The same frame without its full-size pixels."""
        return replace(self, pixels=None)


@dataclass(frozen=True, slots=True)
class FailedFrame:
    """An image that could not be read: `code` for programs, `message` for people, without the name of the file."""

    origin: Origin
    code: ImageErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How a player turns numbers into light: matrix, primaries and transfer as in ITU-T H.273; 2 means unspecified.

    range  1: limited (16 to 235), 2: full (0 to 255), 0: unspecified
    """

    matrix: int
    primaries: int
    transfer: int
    range: int


@dataclass(frozen=True, slots=True)
class MasteringDisplay:
    """The display that a HDR video was made on (SMPTE ST 2086).

    primaries  x and y of red, green and blue, then of white; CIE 1931
    luminance  lowest and highest, in candela per square meter
    """

    primaries: tuple[tuple[Fraction, Fraction], ...]
    luminance: tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class VideoTraits:
    """What a video stream has besides its upright RGB pixels, so that an annotated copy keeps it or reports its loss.

    stream         index of the stream in its container
    pixel_aspect   width of a pixel of the upright frame divided by its height; None: unknown, or square
    color          None: it is not YUV, and has no tags
    bits           per channel
    subsampling    of the color channels, such as "4:2:0"
    has_alpha      it has transparency
    is_interlaced  its frames are two fields
    mastering      display that it was made on
    content_light  highest luminance of a pixel, and highest mean of a frame, in candela per square meter
    side_data      other data of its frames, in words, such as "closed captions"
    """

    stream: int
    pixel_aspect: Fraction | None = None
    color: ColorTags | None = None
    bits: int = 8
    subsampling: str = "4:2:0"
    has_alpha: bool = False
    is_interlaced: bool = False
    mastering: MasteringDisplay | None = None
    content_light: tuple[int, int] | None = None
    side_data: tuple[str, ...] = ()
