"""Random access to the bytes of files and objects, and forward access to those of a stream, by one interface."""

import io
import os
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol

from detcli.errors import ImageError
from detcli.io.archives.member import CheckHead, check_size
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.read import opened

_PART_BYTES: Final = 1 << 20
_SMALL_BYTES: Final = 1 << 10
_WINDOW_BYTES: Final = 1 << 11


class ArchiveBytes(Protocol):
    """Bytes by their offset.

    is_stream  offsets must not decrease; what is skipped is read and dropped
    size       in bytes; None where it is unknown before the end
    """

    @property
    def is_stream(self) -> bool: ...  # noqa: D102 - documented above

    @property
    def size(self) -> int | None: ...  # noqa: D102 - documented above

    def read_at(self, offset: int, length: int) -> bytes:
        """So many bytes from an offset, fewer at the end. Raises ImageError or OSError."""


class FileBytes:
    """The bytes of an open descriptor, which nothing else reads at the same time."""

    is_stream = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._window, self._window_start = b"", 0

    def read_at(self, offset: int, length: int) -> bytes:
        """So many bytes from an offset, fewer at the end. Raises OSError."""
        if offset > self.size:  # some file systems refuse to go there
            return b""
        if length > _SMALL_BYTES:
            return self._read(offset, length)
        at = offset - self._window_start  # headers follow each other: one read for several
        if at < 0 or at + length > len(self._window):
            self._window, self._window_start, at = self._read(offset, _WINDOW_BYTES), offset, 0
        return self._window[at : at + length]

    def _read(self, offset: int, length: int) -> bytes:
        os.lseek(self._descriptor, offset, os.SEEK_SET)
        data = os.read(self._descriptor, length)
        if len(data) in (0, length):
            return data
        parts, done = [data], len(data)
        while done < length and (data := os.read(self._descriptor, length - done)):
            parts.append(data)
            done += len(data)
        return b"".join(parts)


class PositionedBytes:
    """The bytes of a binary file that can be positioned, for one reader at a time."""

    is_stream = False

    def __init__(self, file: BinaryIO | io.BufferedReader) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        file.seek(0)

    def read_at(self, offset: int, length: int) -> bytes:
        """So many bytes from an offset, fewer at the end. Raises what the file raises."""
        self._file.seek(min(offset, self.size))
        return self._file.read(length)


class StreamBytes:
    """The bytes of a stream, forward only.

    read  returns up to so many bytes, empty at the end
    """

    is_stream = True
    size = None

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._position = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """So many bytes from an offset, fewer at the end. Raises what `read` raises."""
        while self._position < offset and self._take(offset - self._position):
            pass
        parts = []
        while length > 0 and self._position >= offset and (part := self._take(length)):
            parts.append(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take(self, length: int) -> bytes:
        """The next part: memory grows with what arrives, not with what a header promises."""
        part = self._read(min(length, _PART_BYTES))
        self._position += len(part)
        return part


def read_content(
    data: ArchiveBytes, start: int, size: int, *, max_bytes: int, check_head: CheckHead | None = None
) -> bytes:
    """The content of a member that is not compressed; see `ReadMember`."""
    check_size(size, max_bytes)
    content = data.read_at(start, size if size <= _PART_BYTES else HEAD_BYTES)
    if check_head is not None and content:
        check_head(content[:HEAD_BYTES])
    if size > _PART_BYTES:
        content += data.read_at(start + len(content), size - len(content))
    if len(content) < size:
        raise ImageError("truncated", f"truncated after {len(content):,} of {size:,} bytes: the archive ends there")
    return content


def read_file_content(
    path: str, start: int, size: int, *, max_bytes: int, check_head: CheckHead | None = None
) -> bytes:
    """The same, of a local file, which is opened for it: no file stays open while an image waits to be read."""
    with opened(path) as descriptor:
        return read_content(FileBytes(descriptor), start, size, max_bytes=max_bytes, check_head=check_head)
