"""What a source is by its bytes: raw MJPEG, which FFmpeg takes for an image, and what is no video at all."""

import os
import stat
from collections.abc import Callable
from typing import Final, TypeAlias

from detcli.errors import ImageError, ImageErrorCode
from detcli.io.images.formats import IMAGE_SUFFIXES, image_format
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.read import opened
from detcli.io.remote.ahead_reader import AheadReader
from detcli.sources.video.protocols import StreamAccess

_RAW_MJPEG: Final = (".mjpeg", ".mjpg")
_SEARCH_BYTES, _MAX_SEARCH_BYTES = 1 << 20, 64 << 20
_JPEG: Final = b"\xff\xd8\xff"
_BytesAt: TypeAlias = Callable[[int, int], bytes]


def container_of(access: StreamAccess, remote_file: AheadReader | None = None) -> str | None:
    """The container that FFmpeg must be told: raw MJPEG, which begins as a single JPEG does; None: FFmpeg recognizes it.

    A file with a suffix of images is one image, and so is anything with one image only, unless its suffix is `.mjpeg`.

    remote_file  of an object
    """
    has_suffix = access.kind in ("file", "object")
    suffix = os.path.splitext(access.display_name)[1].lower() if has_suffix else ""  # noqa: PTH122
    if has_suffix and suffix.removeprefix(".") in IMAGE_SUFFIXES:
        return None
    surely = suffix in _RAW_MJPEG
    try:
        if remote_file is not None:
            return "mjpeg" if _is_raw_mjpeg(remote_file.read_at, 0, surely=surely) else None
        if access.kind == "file":
            with opened(access.display_name) as descriptor:
                return "mjpeg" if _is_raw_mjpeg(_bytes_of(descriptor), 0, surely=surely) else None
        if access.kind == "pipe" and stat.S_ISREG(os.fstat(0).st_mode):
            start = os.lseek(0, 0, os.SEEK_CUR)
            return "mjpeg" if _is_raw_mjpeg(_bytes_of(0), start, surely=False) else None
    except (OSError, ImageError):  # reported when it is opened
        return None
    return None


def _is_raw_mjpeg(bytes_at: _BytesAt, start: int, *, surely: bool) -> bool:
    """Whether a file has a JPEG at this position and, unless that is sure, another one right after it; reads no further."""
    if bytes_at(start, len(_JPEG)) != _JPEG:
        return False
    position, before = start, b""
    while part := bytes_at(position, _SEARCH_BYTES):
        if surely or b"\xff\xd9" + _JPEG in before + part:
            return True
        position, before = position + len(part), part[-4:]
        if position - start > _MAX_SEARCH_BYTES:
            return False
    return False


def _bytes_of(descriptor: int) -> _BytesAt:
    """Reads bytes of a file at a position, and leaves it where it is."""

    def bytes_at(position: int, count: int) -> bytes:
        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, position, os.SEEK_SET)
            return os.read(descriptor, count)
        finally:
            os.lseek(descriptor, before, os.SEEK_SET)

    return bytes_at


def unsupported_content(
    access: StreamAccess, remote_file: AheadReader | None = None
) -> tuple[ImageErrorCode, str] | None:
    """What a source without a known video container is: a code and a reason; None where it is not recognized.

    remote_file  of an object
    """
    if access.kind == "pipe":
        return "unsupported", "not a video; MPEG-TS, Matroska and YUV4MPEG can be piped"
    if access.kind == "stream":
        return "unsupported", "the server sends no video; the address of a page is not that of the video on it"
    if remote_file is not None:
        head = remote_file.read_at(0, HEAD_BYTES)
    else:
        with opened(access.display_name) as descriptor:
            head = os.read(descriptor, HEAD_BYTES)
    if image_format(head) is not None:
        return "unsupported", "an image, not a video"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return "truncated", "its index (moov) is missing or damaged, as where a recording or a download was cut off"
    if head.startswith((b"#EXTM3U", b"ffconcat")):
        return "unsupported", "a list of other videos; those that it names by an address are not fetched"
    if head.startswith(b"version https://git-lfs"):
        return "unsupported", "a Git LFS pointer, not the video: 'git lfs pull' fetches it"
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "unsupported", "a web page, not a video"
    if head.startswith((b"\x7fELF", b"MZ", b"PK\x03\x04", b"%PDF")):
        return "unsupported", "not a video"
    return None
