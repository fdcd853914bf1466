"""Pixels as the bytes of an image file; knows no path."""

import io
import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.structures.frame import ImageMetadata, Pixels

Option = bool | int | str | list[int]

# Suffix -> Pillow's name of the format, of those that hold 8-bit color and are widely read. HEIC is not among them.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jp2": "JPEG2000",
    ".avif": "AVIF",
    ".ppm": "PPM",
}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Full color resolution, for thin colored lines smear without it. Deflate, for any reader of TIFF knows it.
_OPTIONS: dict[str, dict[str, Option]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 92, "method": 2},
    "TIFF": {"compression": "tiff_deflate"},
    "JPEG2000": {"irreversible": True, "quality_mode": "dB", "quality_layers": [48]},
    "AVIF": {"quality": 85, "speed": 8, "subsampling": "4:4:4", "max_threads": 1},
}
_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "AVIF": 65_535}  # pixels; libjpeg says it on stderr
_WITH_METADATA = frozenset(("JPEG", "PNG", "WEBP", "TIFF", "AVIF"))


def encode(pixels: Pixels, image_format: str, metadata: ImageMetadata | None = None) -> bytes | None:
    """Encode uint8 [H, W, 3] RGB with the original's EXIF and color profile where the format has room for them.

    Returns None where the format or this machine cannot: too many pixels a side, no encoder.
    """
    if image_format == "PNG":
        return encode_png(pixels, metadata)
    if max(pixels.shape) > _LONGEST_SIDE.get(image_format, 1 << 31):
        return None
    embedded: dict[str, bytes] = {}
    if metadata and image_format in _WITH_METADATA:
        known = {"exif": metadata.exif, "icc_profile": metadata.icc}
        embedded = {name: data for name, data in known.items() if data}
    for extra in (embedded, {}) if embedded else ({},):  # what the encoder refuses may be a block that is too long
        file = io.BytesIO()
        try:
            Image.fromarray(pixels).save(file, image_format, **_OPTIONS.get(image_format, {}), **extra)
        except (OSError, ValueError, KeyError, OverflowError, struct.error, MemoryError):
            continue
        return file.getvalue()
    return None


def encode_png(pixels: Pixels, metadata: ImageMetadata | None = None) -> bytes:
    """Encode PNG, which takes images of any size; by OpenCV, five times as fast as Pillow."""
    done, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise MemoryError(f"no PNG of {pixels.shape[1]} x {pixels.shape[0]} pixels")
    data: bytes = encoded.tobytes()
    after_header = len(_SIGNATURE) + 12 + 13
    chunks = b""
    if metadata and metadata.icc:
        chunks += _png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc))
    if metadata and metadata.exif:
        chunks += _png_chunk(b"eXIf", metadata.exif.removeprefix(b"Exif\0\0"))
    return data[:after_header] + chunks + data[after_header:] if chunks else data


def encode_gray(values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """Encode [H, W] of 8 or 16 bits as a gray PNG, every value kept."""
    done, encoded = cv2.imencode(".png", values)
    if not done:
        raise MemoryError(f"no PNG of {values.shape[1]} x {values.shape[0]} pixels")
    data: bytes = encoded.tobytes()
    return data


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
