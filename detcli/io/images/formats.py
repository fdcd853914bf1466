"""Recognizes image formats by the first bytes of a file, and truncated files by their last bytes.

Uses no decoder. Formats have Pillow's names.
"""

import re
import struct
from typing import Final

from detcli.errors import ImageError, ImageErrorCode
from detcli.io.images.file_ends import is_bmp_cut_short, is_gif_cut_short, is_jpeg_cut_short, is_ppm_cut_short

# Suffixes in use for each format, the usual one first.
SUFFIXES_OF: Final = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif", "jfi", "jif", "pjpeg", "pjp", "mpo"),
    "PNG": ("png", "apng"),
    "WEBP": ("webp",),
    "GIF": ("gif",),
    "BMP": ("bmp", "dib"),
    "TIFF": ("tif", "tiff", "btf", "tf8"),
    "JPEG2000": ("jp2", "j2k", "j2c", "jpc", "jpf", "jpx"),
    "PPM": ("ppm", "pgm", "pbm", "pnm"),
    "AVIF": ("avif", "avifs"),
    "HEIF": ("heic", "heif", "hif", "heics", "heifs"),
}
# Suffixes of the files that are read from a folder by default.
IMAGE_SUFFIXES: Final = tuple(suffix for suffixes in SUFFIXES_OF.values() for suffix in suffixes)

SUFFIX_OF: Final = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "JPEG2000": ".jp2",
    "PPM": ".ppm",
    "AVIF": ".avif",
    "HEIF": ".heic",
}

_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # lengths of the second header in every version of the format
_PPM_HEAD = re.compile(rb"P[1-6]\s+(?:#|\d+\s)")
_PFM_HEAD = re.compile(rb"P[fF]\s+\d+\s")
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_TIFF_OFFSET_TAGS = (273, 279, 324, 325)  # offsets and lengths of strips, offsets and lengths of tiles
_TIFF_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # bytes per value by type; 1 for all others
_VIDEO = "a video, not an image"
# First bytes of other files that are common in such folders: code and message.
_OTHER_FILES: tuple[tuple[bytes, ImageErrorCode, str], ...] = (
    (b"version https://git-lfs", "not-an-image", "a Git LFS pointer, not the image: 'git lfs pull' fetches it"),
    (b"\x1a\x45\xdf\xa3", "not-an-image", _VIDEO),
    (b"FLV\x01", "not-an-image", _VIDEO),
    (b"\0\0\x01\xba", "not-an-image", _VIDEO),
    (b"\0\0\x01\xb3", "not-an-image", _VIDEO),
    (b"%PDF", "not-an-image", "a PDF document, not an image"),
    (b"%!PS", "unsupported", "PostScript is not supported"),
    (b"PK\x03\x04", "not-an-image", "a ZIP archive, not an image"),
    (b"\x1f\x8b", "not-an-image", "a gzip archive, not an image"),
    (b"8BPS", "unsupported", "Photoshop files are not supported"),
    (b"\xff\x0a", "unsupported", "JPEG XL is not supported"),
    (b"\0\0\0\x0cJXL ", "unsupported", "JPEG XL is not supported"),
    (b"\x76\x2f\x31\x01", "unsupported", "OpenEXR is not supported"),
    (b"#?RADIANCE", "unsupported", "Radiance HDR is not supported"),
    (b"DDS ", "unsupported", "DDS textures are not supported"),
    (b"\0\0\x01\0", "unsupported", "icons are not supported"),
    (b"qoif", "unsupported", "QOI is not supported"),
    (b"gimp xcf", "unsupported", "GIMP files are not supported"),
    (b"II\xbc\x01", "unsupported", "JPEG XR is not supported"),
    (b"FUJIFILMCCD-RAW", "unsupported", "camera raw files are not supported"),
)  # fmt: skip


def image_format(head: bytes) -> str | None:
    """Pillow's name of the format with these first bytes; None if it is not a supported image format."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[:2] == b"BM" and len(head) >= 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head.startswith(_TIFF_HEADS):
        return "TIFF"
    if head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")):
        return "JPEG2000"
    if _PPM_HEAD.match(head) or _PFM_HEAD.match(head):
        return "PPM"
    return _container_format(head)


def _container_format(head: bytes) -> str | None:
    """AVIF or HEIF: both are ISO media files, as videos are; the brands in the first box distinguish them."""
    if head[4:8] != b"ftyp":
        return None
    end = min(max(int.from_bytes(head[:4], "big"), 16), len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, end - 3, 4))]
    if brands[0] in (b"avif", b"avis") or (brands[0] in (b"mif1", b"msf1") and b"avif" in brands):
        return "AVIF"
    return "HEIF" if brands[0] in _HEIF_BRANDS else None


def check_head(head: bytes) -> None:
    """Raise ImageError unless these are the first bytes of an image: empty, not-an-image, unsupported."""
    if not head:
        raise ImageError("empty", "an empty file")
    if image_format(head) is None:
        raise _reason_for_rejection(head)


def _reason_for_rejection(head: bytes) -> ImageError:
    for magic, code, clause in _OTHER_FILES:
        if head.startswith(magic):
            return ImageError(code, clause)
    if head[4:8] == b"ftyp" or head[4:8] in (b"moov", b"mdat", b"wide") or head[:4] + head[8:12] == b"RIFFAVI ":
        return ImageError("not-an-image", _VIDEO)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml")):
        return ImageError("unsupported", "vector drawings (SVG, XML) are not supported")
    if text.startswith((b"<!doctype html", b"<html")):
        return ImageError("not-an-image", "a web page, not an image")
    if not head.strip(b"\0"):
        return ImageError("not-an-image", "not an image: it begins with zeros")
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return ImageError("not-an-image", "text, not an image")
    return ImageError("not-an-image", f"not an image: no known format begins with the bytes {head[:4].hex(' ')}")


def size_in_header(name: str, data: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a WebP, whose decoder allocates memory before Pillow knows them."""
    if name != "WEBP" or len(data) < 30:
        return None
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def is_cut_short(name: str, data: bytes) -> bool:
    """Whether the end of the file is missing, by the rules of its format."""
    if not data:
        return False
    if name == "JPEG2000" and data.startswith(b"\xff"):
        return b"\xff\xd9" not in data
    if name in ("PNG", "WEBP"):
        return b"IEND" not in data if name == "PNG" else int.from_bytes(data[4:8], "little") + 8 > len(data)
    rules = {"JPEG": is_jpeg_cut_short, "GIF": is_gif_cut_short, "BMP": is_bmp_cut_short, "PPM": is_ppm_cut_short}
    if name in rules:
        return rules[name](data)
    if name == "TIFF":
        return _tiff_end(data) > len(data)
    return name in ("AVIF", "HEIF", "JPEG2000") and _boxes_end(data) > len(data)


def _boxes_end(data: bytes) -> int:
    """The end of the last box of an ISO media file, by the size in its header."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if length == 1 and position + 16 <= len(data):
            length = int.from_bytes(data[position + 8 : position + 16], "big")
        if length == 0:  # up to the end of the file: only the codestream has an end marker
            return len(data) + (kind == b"jp2c" and not data.rstrip(b"\0").endswith(b"\xff\xd9"))
        if length < 8:
            break
        position += length
    return position


def _tiff_end(data: bytes) -> int:
    """The end of the first image of a TIFF, by its directory."""
    order = "<" if data.startswith(b"II") else ">"
    if data[2:4] not in (b"*\0", b"\0*"):
        return 0  # BigTIFF
    ends = [0]
    values: dict[int, tuple[int, ...]] = dict.fromkeys(_TIFF_OFFSET_TAGS, ())
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, start)
        for entry in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, count, place = struct.unpack_from(f"{order}HHII", data, entry)
            length = _TIFF_SIZES.get(kind, 1) * count
            at = entry + 8 if length <= 4 else place
            ends.append(at + length)
            if tag in values and kind in (3, 4):
                values[tag] = struct.unpack_from(f"{order}{min(count, len(data))}{'HI'[kind - 3]}", data, at)
    except struct.error:
        return len(data) + 1  # the directory itself is after the end
    for offsets, lengths in (_TIFF_OFFSET_TAGS[:2], _TIFF_OFFSET_TAGS[2:]):
        ends += [offset + length for offset, length in zip(values[offsets], values[lengths], strict=False)]
    return max(ends)
