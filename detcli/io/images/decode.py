"""Bytes of an image -> upright RGB pixels, the same as Pillow's own to the last bit, whatever is in the bytes.

The one decoder of detcli. It is Pillow alone: OpenCV's JPEG decoder gives the same pixels and is a tenth to a sixth
faster, but it prints on file descriptor 2 about a damaged image and takes some truncated ones for whole.
"""

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.ImageFile import ImageFile

from detcli.errors import ImageError, ImageErrorCode
from detcli.io.images.exif import upright_exif
from detcli.io.images.formats import check_head, claimed_size, image_format, is_cut_short
from detcli.io.images.open_header import open_header
from detcli.io.images.pillow_settings import pillow_settings
from detcli.io.read import HEAD_BYTES
from detcli.structures.frame import ImageMetadata, Pixels

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MOST_SCANS = 500  # of a progressive JPEG; each costs a skip all pixels, and no encoder writes a fifth of it
_MOST_PIXELS_A_BYTE = 512  # a Huffman code has a bit at least, and each 8 x 8 pixels have a code at least
_ARITHMETIC = (b"\xff\xc9", b"\xff\xca")  # frames of the JPEGs without Huffman codes
_TIFF_TAGS = {"photometric": 262, "planar": 284, "tile_width": 322, "tile_length": 323}


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright image.

    image      RGB, every pixel decoded
    keepsakes  what an annotated copy keeps of the file
    """

    image: Image.Image
    metadata: ImageMetadata

    @property
    def pixels(self) -> Pixels:
        """A copy of the pixels: uint8 [H, W, 3] RGB, contiguous, read-only."""
        return np.asarray(self.image)


def decode(data: bytes, *, max_pixels: int) -> DecodedImage:
    """Decode an image of any format that detcli reads: the first frame, turned as EXIF says, alpha dropped.

    Equal to `ImageOps.exif_transpose(image).convert("RGB")`, except for 16-bit gray, which Pillow clips to white and
    which is scaled here. Size limits are evaluated by the header, before any pixel is decoded.

    Raises PictureError: empty, not-an-image, unsupported, too-large, truncated, decode-failed. The message is a
    clause that needs the image's name in front.
    """
    check_head(data[:HEAD_BYTES])
    name = image_format(data[:HEAD_BYTES])
    assert name is not None  # noqa: S101 - check_head has refused it
    try:
        with pillow_settings(max_pixels):
            return _decode(name, data, max_pixels)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("too-large", f"its size is refused: {error}") from error
    except Exception as error:  # decoders raise whatever their parsers stumble over
        raise _failure(name, data, error) from error


def convert_image(image: Image.Image) -> DecodedImage:
    """Turn an open Pillow image upright and convert it to RGB, as `decode` does with a file.

    Raises ImageError as `decode` does, and ValueError for a closed image.
    """
    name = image.format or "image"
    try:
        with pillow_settings():
            image.load()
            return _upright_rgb(name, image)
    except OSError as error:
        code: ImageErrorCode = "truncated" if "truncated" in str(error).lower() else "decode-failed"
        raise ImageError(code, f"damaged {name} ({type(error).__name__}: {str(error)[:200]})") from error


def _decode(name: str, data: bytes, max_pixels: int) -> DecodedImage:
    claimed = claimed_size(name, data)
    if claimed is not None:
        _check_size(claimed, max_pixels)
    image = open_header(name, data)
    _check_size(image.size, max_pixels)
    _check_cost(name, image, data, max_pixels)
    image.load()
    _check_size(image.size, max_pixels)
    return _upright_rgb(name, image)


def _upright_rgb(name: str, image: Image.Image) -> DecodedImage:
    grey_or_color = _eight_bits(name, image)
    turn = _TURNS.get(orientation(image))
    if turn is not None:
        grey_or_color = grey_or_color.transpose(turn)
    if grey_or_color.mode != "RGB":
        grey_or_color = _to_rgb(grey_or_color)
    icc = image.info.get("icc_profile")
    metadata = ImageMetadata(
        format=name,
        exif=None if name == "TIFF" else upright_exif(_bytes_or_none(image.info.get("exif"))),
        icc=icc if isinstance(icc, bytes) and icc[16:20] == b"RGB " else None,  # others do not fit an RGB copy
    )
    return DecodedImage(grey_or_color, metadata)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            "too-large",
            f"{width} x {height} pixels are more than the limit of {max_pixels:,}; raise `max_pixels` to read it",
        )


def _check_cost(name: str, image: ImageFile, data: bytes, max_pixels: int) -> None:
    """Refuse what would cost far more than its size says, or come out wrong."""
    if name == "JPEG":
        _check_jpeg(image.size, data)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = {key: image.tag_v2.get(tag) for key, tag in _TIFF_TAGS.items()}
        if tags["tile_width"] and tags["tile_length"]:
            _check_size((int(tags["tile_width"]), int(tags["tile_length"])), max_pixels)
        bits = image.tag_v2.get(258, (1,))
        if tags["planar"] == 2 and len(bits) > 1 and max(bits) > 8:
            raise ImageError("unsupported", "a 16-bit TIFF with its colors in separate planes is not supported")


def _check_jpeg(size: tuple[int, int], data: bytes) -> None:
    """Refuse a JPEG of endless scans, and one that would be gray for the most part because its data is not there."""
    if data.count(b"\xff\xda") > _MOST_SCANS:
        raise ImageError("too-large", f"a JPEG of more than {_MOST_SCANS} scans")
    width, height = size
    if len(data) * _MOST_PIXELS_A_BYTE < width * height and not any(marker in data for marker in _ARITHMETIC):
        raise ImageError("truncated", f"truncated: {len(data):,} bytes cannot hold {width} x {height} pixels")


def _eight_bits(name: str, image: Image.Image) -> Image.Image:
    """The same image with 8 bits a sample: the high byte of 16-bit gray, everything else as it is."""
    if image.mode.startswith("I;16"):
        samples = np.asarray(image)
        if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_TIFF_TAGS["photometric"]) == 0:
            samples = ~samples  # zero is white, and Pillow minds that only at 8 bits
        return Image.fromarray((samples >> 8).astype(np.uint8))
    if image.mode == "I" and name in ("PNG", "PPM"):  # 16-bit gray in 32 bits
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode == "I":
        raise ImageError("unsupported", "signed or 32-bit integer samples are not supported: nobody says what is white")
    if image.mode == "F":
        raise ImageError("unsupported", "floating-point samples are not supported: nobody says what is white")
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # gray that alpha was multiplied into; Pillow undoes it first
        image = image.convert("LA")
    if image.mode == "LAB":
        raise ImageError("unsupported", "an image in the Lab color space is not supported")
    return image.convert("RGB")


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1-8 as Pillow finds it, XMP included; 1 where there is none or it is broken."""
    if not image.info.keys() & {"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"}:
        return 1
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken metadata is no reason to lose an image
        return 1
    return found if isinstance(found, int) else 1


def _bytes_or_none(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _failure(name: str, data: bytes, error: Exception) -> ImageError:
    """What a decoder's exception means: the end is missing, it cannot, or the file is damaged."""
    text = re.sub(r"\s+", " ", str(error)).strip()
    if "truncated" in text.lower() or is_cut_short(name, data):
        return ImageError("truncated", f"truncated after {len(data):,} bytes")
    if isinstance(error, MemoryError):
        return ImageError("too-large", "there is not enough memory to decode it (MemoryError)")
    said = f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
    if re.search(r"unknown pixel mode|cannot handle|not supported|unsupported|conversion from", text, re.IGNORECASE):
        return ImageError("unsupported", f"a kind of {name} that cannot be decoded ({said})")
    return ImageError("decode-failed", f"damaged {name} ({said})")
