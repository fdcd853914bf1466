"""Bytes of a regular file, whatever its name; never waits on a pipe, a socket or a device. Knows no image format.

What is wrong with a file is said in a clause that needs its name in front: `'a/b.jpg': ` + `a folder, not a file`.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from detcli.errors import ImageError

HEAD_BYTES = 64  # enough to tell every format apart
_MOST_AT_ONCE = 1 << 30  # bytes; systems read less than 2 GiB in one call

# Not all of them exist everywhere: O_BINARY only on Windows, the others only elsewhere.
_OPEN_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _OPEN_FLAGS |= getattr(os, _name, 0)

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_NOT_FOUND = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
_NO_PERMISSION = {errno.EACCES, errno.EPERM}
_NOT_A_FILE = {errno.EISDIR, errno.ENXIO, errno.EOPNOTSUPP, errno.ENODEV}


def read_bytes(path: Path | str | bytes, *, max_bytes: int, check_head: Callable[[bytes], None] | None = None) -> bytes:
    """All bytes of a regular file.

    path        any name: bytes that are not UTF-8 as surrogate escapes, or bytes as they are
    max_bytes   a longer file is refused unread
    check_head  is called with the first bytes (at most `HEAD_BYTES`) before the rest is read and before the length
                is evaluated; raises to refuse

    Raises PictureError: not-found, no-permission, not-a-file, empty, too-large, decode-failed (the disk fails).
    """
    with opened(path) as descriptor:
        return _read(descriptor, max_bytes, check_head)


@contextmanager
def opened(path: Path | str | bytes) -> Iterator[int]:
    """The descriptor of a regular file, open for reading.

    Raises PictureError: not-found, no-permission, not-a-file; decode-failed where the disk fails meanwhile.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except (OSError, ValueError) as error:
        raise os_error_as_image_error(error, path) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ImageError("not-a-file", f"{_kind_of(mode)}, not a file")
        yield descriptor
    except OSError as error:
        raise os_error_as_image_error(error, path) from error
    finally:
        os.close(descriptor)


def _read(descriptor: int, max_bytes: int, check_head: Callable[[bytes], None] | None) -> bytes:
    head = os.read(descriptor, HEAD_BYTES)
    if not head:
        raise ImageError("empty", "an empty file")
    if check_head is not None:
        check_head(head)
    size = os.fstat(descriptor).st_size
    parts, length = [head], len(head)
    while size <= max_bytes and length <= max_bytes:
        # One byte more than the file system says, so that one call reads to the end and the next one sees it.
        part = os.read(descriptor, min(max(size - length, 0), _MOST_AT_ONCE) + 1)
        if not part:
            return b"".join(parts)
        parts.append(part)
        length += len(part)
    raise ImageError("too-large", f"{max(size, length):,} bytes are more than the limit of {max_bytes:,}")


def os_error_as_image_error(error: OSError | ValueError, path: Path | str | bytes) -> ImageError:
    """What the system's answer for a path means, as the error of one image."""
    if not isinstance(error, OSError):  # a NUL byte, or surrogates that stand for no byte
        return ImageError("not-found", "no file can have this name")
    if error.errno in _NO_PERMISSION:
        if os.name == "nt" and os.path.isdir(path):  # noqa: PTH112 - the path may be bytes
            return ImageError("not-a-file", "a folder, not a file")
        return ImageError("no-permission", "no permission to read it")
    if error.errno in _NOT_A_FILE:
        return ImageError("not-a-file", f"{_kind_at(path)}, not a file")
    if error.errno in _NOT_FOUND:
        if error.errno == errno.ELOOP:
            return ImageError("not-found", "a link that leads back to itself")
        if error.errno == errno.ENAMETOOLONG:
            return ImageError("not-found", "the name is too long for a file")
        if os.path.islink(path):  # noqa: PTH114 - the path may be bytes
            return ImageError("not-found", "a link that leads nowhere")
        return ImageError("not-found", "no such file or folder")
    return ImageError("decode-failed", f"reading failed: {error.strerror or error}")


def _kind_at(path: Path | str | bytes) -> str:
    try:
        return _kind_of(os.stat(path).st_mode)  # noqa: PTH116 - the path may be bytes
    except (OSError, ValueError):
        return "something else"


def _kind_of(mode: int) -> str:
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "something else")
