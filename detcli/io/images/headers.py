"""Size and orientation of an image by its header, without decoding pixels and with little reading."""

import os
from dataclasses import dataclass
from pathlib import Path

from detcli.errors import ImageError
from detcli.io.images.decode import orientation
from detcli.io.images.formats import check_head, image_format
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.images.open_header import open_header
from detcli.io.images.pillow_settings import pillow_settings
from detcli.io.read import opened, read_bytes

_JPEG_HEAD = 1 << 16  # bytes; enough for most EXIF blocks with thumbnail
_MAX_CHUNKS = 10_000  # of a PNG


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """The header of an image.

    stored_hw    height and width of the pixels as they lie in the file, in pixels
    orientation  EXIF's, 1 to 8; 1 if the decoder itself turns the pixels (TIFF, HEIC)
    """

    stored_hw: tuple[int, int]
    orientation: int

    @property
    def upright_hw(self) -> tuple[int, int]:
        """Height and width of the image that `decode` returns."""
        height, width = self.stored_hw
        return (width, height) if self.orientation >= 5 else (height, width)


def read_header(path: Path | str, *, max_bytes: int) -> ImageHeader:
    """Read the header of an image of any supported format.

    Raises ImageError as `read_bytes` and `decode` do. A valid header does not guarantee that the pixels can be decoded.
    """
    with opened(path) as descriptor:
        head = os.read(descriptor, _JPEG_HEAD)
        check_head(head[:HEAD_BYTES])
        name = image_format(head[:HEAD_BYTES]) or ""
        if name == "PNG":
            head = _png_without_pixels(descriptor)
    if name in ("JPEG", "PNG"):
        try:
            return _parse(name, head)
        except ImageError:
            pass  # the header is longer than that
    return _parse(name, read_bytes(path, max_bytes=max_bytes))


def header_of(data: bytes) -> ImageHeader:
    """The header of the bytes of an image file. Raises ImageError as `decode` does."""
    check_head(data[:HEAD_BYTES])
    return _parse(image_format(data[:HEAD_BYTES]) or "", data)


def _parse(name: str, data: bytes) -> ImageHeader:
    try:
        with pillow_settings():
            image = open_header(name, data)
            exif_orientation = orientation(image) if name != "TIFF" else 1
        return ImageHeader((image.height, image.width), exif_orientation if 1 <= exif_orientation <= 8 else 1)
    except ImageError:
        raise
    except Exception as error:  # plugins raise many kinds of exceptions
        raise ImageError("decode-failed", f"damaged {name} ({type(error).__name__} in its header)") from error


def _png_without_pixels(descriptor: int) -> bytes:
    """All chunks except the pixels: a PNG may have its EXIF after them."""
    parts, position = [b"\x89PNG\r\n\x1a\n"], 8
    for _ in range(_MAX_CHUNKS):
        os.lseek(descriptor, position, os.SEEK_SET)
        start = os.read(descriptor, 8)
        length, kind = int.from_bytes(start[:4], "big"), start[4:]
        if kind in (b"IHDR", b"eXIf", b"IEND", b"tEXt", b"zTXt", b"iTXt") and length < _JPEG_HEAD:
            parts.append(start + os.read(descriptor, length + 4))
        if kind in (b"", b"IEND"):
            break
        position += 12 + length
    return b"".join(parts)
