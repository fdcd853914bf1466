"""Encodes pixels as the bytes of an image file."""

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.structures.frame import ImageMetadata, Pixels

Option = bool | int | str | list[int]

# Suffix -> Pillow's name of the format: formats with 8-bit color that most programs read, so not HEIC.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".gif": "GIF",
    ".jp2": "JPEG2000",
    ".avif": "AVIF",
    ".ppm": "PPM",
}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB, _PALETTE = 0, 2, 3  # color types of PNG
_FILTER_SUB = 1  # filter type of PNG
_BLOCK_BYTES = 1 << 20

# Full color resolution, because thin colored lines blur without it. Deflate, because every TIFF reader supports it.
_OPTIONS: dict[str, dict[str, Option]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 92, "method": 2},
    "TIFF": {"compression": "tiff_deflate"},
    "JPEG2000": {"irreversible": True, "quality_mode": "dB", "quality_layers": [48]},
    "AVIF": {"quality": 85, "speed": 8, "subsampling": "4:4:4", "max_threads": 1},
}
_MAX_SIDE = {
    "JPEG": 65_500,
    "WEBP": 16_383,
    "GIF": 65_535,
    "AVIF": 65_535,
}  # pixels; beyond it, libjpeg prints on stderr
_WITH_METADATA = frozenset(("JPEG", "PNG", "WEBP", "TIFF", "AVIF"))


def encode(pixels: Pixels, image_format: str, metadata: ImageMetadata | None = None) -> bytes | None:
    """Encode uint8 [H, W, 3] RGB with the original's EXIF and color profile if the format supports them.

    Returns None if encoding is impossible: a side is too long, or there is no encoder.
    """
    if image_format == "PNG":
        return encode_png(pixels, metadata)
    if max(pixels.shape) > _MAX_SIDE.get(image_format, 1 << 31):
        return None
    embedded: dict[str, bytes] = {}
    if metadata and image_format in _WITH_METADATA:
        known = {"exif": metadata.exif, "icc_profile": metadata.icc}
        embedded = {name: data for name, data in known.items() if data}
    for extra in (embedded, {}) if embedded else ({},):  # the encoder may refuse a metadata block that is too long
        file = io.BytesIO()
        try:
            Image.fromarray(pixels).save(file, image_format, **_OPTIONS.get(image_format, {}), **extra)
        except (OSError, ValueError, KeyError, OverflowError, struct.error, MemoryError):
            continue
        return file.getvalue()
    return None


def encode_png(pixels: Pixels, metadata: ImageMetadata | None = None) -> bytes:
    """Encode uint8 [H, W, 3] as a PNG of any size, without loss."""
    chunks = b""
    if metadata and metadata.icc:
        chunks += _png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc))
    if metadata and metadata.exif:
        chunks += _png_chunk(b"eXIf", metadata.exif.removeprefix(b"Exif\0\0"))
    return _png(pixels, _RGB, chunks)


def encode_gray(values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """Encode [H, W] of 8 or 16 bits as a gray PNG, without loss."""
    return _png(values[..., None], _GRAY, b"")


def encode_palette(values: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> bytes:
    """Encode [H, W] as an indexed PNG: its values are kept, and viewers show each in its color of palette [N, 3]."""
    return _png(values[..., None], _PALETTE, _png_chunk(b"PLTE", palette.tobytes()))


def _png(samples: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], color_type: int, chunks: bytes) -> bytes:
    """A PNG of samples [H, W, C], with more chunks after its header.

    Each byte is stored as its difference from the same byte of the pixel on the left, and only runs are compressed. That is
    three to nine times as fast as Pillow's encoder, and the files have the same size.
    """
    height, width, channels = samples.shape
    pixel_bytes = channels * samples.itemsize
    block = max(1, _BLOCK_BYTES // (width * pixel_bytes))  # rows at a time, to save memory
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, color_type, 0, 0, 0)
    parts = [_SIGNATURE, _png_chunk(b"IHDR", header), chunks]
    stream = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    for first in range(0, height, block):
        rows = np.ascontiguousarray(samples[first : first + block], samples.dtype.newbyteorder(">"))
        plain = rows.reshape(len(rows), -1).view(np.uint8)
        filtered = np.empty((len(rows), 1 + plain.shape[1]), np.uint8)
        filtered[:, 0] = _FILTER_SUB
        filtered[:, 1 : 1 + pixel_bytes] = plain[:, :pixel_bytes]
        np.subtract(plain[:, pixel_bytes:], plain[:, :-pixel_bytes], out=filtered[:, 1 + pixel_bytes :])
        parts.append(_png_chunk(b"IDAT", stream.compress(filtered.data)))
    parts += [_png_chunk(b"IDAT", stream.flush()), _png_chunk(b"IEND", b"")]
    return b"".join(parts)


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
