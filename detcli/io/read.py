"""Reads the bytes of regular files with any name; never waits for a pipe, a socket or a device.

What the system cannot tell about one entry of a folder is never an exception: it must not hide the other entries.

Error messages are clauses to follow the name of the file: `'a/b.jpg': ` + `a folder, not a file`.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from detcli.errors import ImageError
from detcli.io.images.limits import HEAD_BYTES as HEAD_BYTES
from detcli.io.remote.addresses import is_remote

_MAX_READ = 1 << 30  # bytes; systems read less than 2 GiB per call

# O_BINARY exists on Windows only, the others only on other systems.
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
    """Read all bytes of a regular file, or of an object in an object store.

    path        any path: a text, with surrogate escapes for bytes that are not UTF-8, or bytes; or the address of an object
    max_bytes   a longer file is not read
    check_head  called with the first bytes (at most `HEAD_BYTES`) before the length is checked and the rest is read; it
                raises an exception to reject the file

    Raises ImageError: not-found, no-permission, not-a-file, empty, too-large, decode-failed (a disk error);
    and as `read_object`.
    """
    if not isinstance(path, bytes) and is_remote(str(path)) and not os.path.lexists(path):
        from detcli.io.remote.read_objects import read_object  # takes a part of the start-up

        return read_object(str(path), max_bytes=max_bytes, check_head=check_head)
    with opened(path) as descriptor:
        return _read(descriptor, max_bytes, check_head)


@contextmanager
def opened(path: Path | str | bytes) -> Iterator[int]:
    """The descriptor of a regular file, open for reading.

    Raises ImageError: not-found, no-permission, not-a-file; decode-failed for a disk error inside the block.
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


def is_folder(entry: "os.DirEntry[str]") -> bool | None:
    """Whether an entry of a folder is a folder, or a link to one; None where the system cannot tell."""
    try:
        return entry.is_dir()
    except OSError as error:
        return False if error.errno in _NOT_FOUND else None


def is_regular_file(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry of a folder is a file, or a link to one; False where the system cannot tell."""
    try:
        return entry.is_file()
    except OSError:
        return False


def is_link(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry of a folder is a symbolic link, or a junction; False where the system cannot tell."""
    try:
        if entry.is_symlink():
            return True
        is_junction = getattr(entry, "is_junction", None)  # Windows, from Python 3.12
        return is_junction is not None and bool(is_junction())
    except OSError:
        return False


def real_path(path: Path | str) -> str:
    """The absolute path without links; links that cannot be read stay."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return os.path.abspath(path)  # noqa: PTH100 - any name


def _read(descriptor: int, max_bytes: int, check_head: Callable[[bytes], None] | None) -> bytes:
    head = os.read(descriptor, HEAD_BYTES)
    if not head:
        raise ImageError("empty", "an empty file")
    if check_head is not None:
        check_head(head)
    size = os.fstat(descriptor).st_size
    parts, length = [head], len(head)
    while size <= max_bytes and length <= max_bytes:
        # One byte more than the reported size, so that one call reads to the end and the next one detects it.
        part = os.read(descriptor, min(max(size - length, 0), _MAX_READ) + 1)
        if not part:
            return b"".join(parts)
        parts.append(part)
        length += len(part)
    raise ImageError("too-large", f"{max(size, length):,} bytes are more than the limit of {max_bytes:,}")


def os_error_as_image_error(error: OSError | ValueError, path: Path | str | bytes) -> ImageError:
    """The ImageError for an error of the file system."""
    if not isinstance(error, OSError):  # a NUL byte, or surrogates that stand for no byte
        return ImageError("not-found", "this is not a valid file name")
    if error.errno in _NO_PERMISSION:
        if os.name == "nt" and os.path.isdir(path):  # noqa: PTH112 - the path may be bytes
            return ImageError("not-a-file", "a folder, not a file")
        if os.path.islink(path):  # noqa: PTH114 - the path may be bytes
            return ImageError("no-permission", "a symbolic link to a file without permission to read it")
        return ImageError("no-permission", "no permission to read it")
    if error.errno in _NOT_A_FILE:
        return ImageError("not-a-file", f"{_kind_at(path)}, not a file")
    if error.errno in _NOT_FOUND:
        if error.errno == errno.ELOOP:
            return ImageError("not-found", "a symbolic link to itself, or too many links in a row")
        if error.errno == errno.ENAMETOOLONG:
            if os.path.islink(path):  # noqa: PTH114 - the path may be bytes
                return ImageError("not-found", "a symbolic link to a name that is too long for a file")
            return ImageError("not-found", "the name is too long for a file")
        if os.path.islink(path):  # noqa: PTH114 - the path may be bytes
            return ImageError("not-found", "a broken symbolic link")
        return ImageError("not-found", "no such file or folder")
    return ImageError("decode-failed", f"reading failed: {error.strerror or error}")


def _kind_at(path: Path | str | bytes) -> str:
    try:
        return _kind_of(os.stat(path).st_mode)  # noqa: PTH116 - the path may be bytes
    except (OSError, ValueError):
        return "something else"


def _kind_of(mode: int) -> str:
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "something else")
