"""Opens archives by their first bytes, whatever their suffix says: local files, objects of stores, and http(s) URLs."""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from detcli.errors import ImageError, UsageError
from detcli.io.archives.archive_bytes import ArchiveBytes, FileBytes, PositionedBytes, StreamBytes
from detcli.io.archives.decompressed_stream import DecompressedStream, is_compressed
from detcli.io.archives.member import Entry
from detcli.io.archives.tar_headers import BLOCK, has_magic
from detcli.io.archives.tar_members import TarMembers
from detcli.io.archives.zip_members import ZipMembers, has_end_record
from detcli.io.read import opened
from detcli.io.remote.addresses import StoreAddress, is_url, scheme_of
from detcli.sources.archives.parts_ahead import PartsAhead

_ZIP_HEADS: Final = (b"PK\3\4", b"PK\5\6", b"PK\7\x08")


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """An archive that is open for one iteration.

    entries    its members, and errors where some may be missing
    is_stream  each member must be read before the next one is taken
    is_tar     it may have the samples of WebDataset
    size       of the file in bytes; None where it is unknown
    """

    entries: Iterable[Entry]
    is_stream: bool
    is_tar: bool
    size: int | None


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open file.

    head    its first bytes
    stream  starts to read it from its beginning on: returns a function that returns up to so many bytes
    data    its bytes at any position, not to be used while it is a stream; None where it can only be a stream
    path    of a local file, from which members can be read later; None for others
    """

    head: bytes
    stream: Callable[[], Callable[[int], bytes]]
    data: ArchiveBytes | None = None
    path: str | None = None

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip, also one with something before it, such as a program that unpacks it."""
        if self.head.startswith(_ZIP_HEADS):
            return True
        is_tar = has_magic(self.head) or is_compressed(self.head)
        return self.data is not None and not is_tar and has_end_record(self.data)


@contextmanager
def opened_archive(path: str | StoreAddress) -> Iterator[OpenArchive]:
    """Open an archive: a file, or an address, with its credentials.

    Raises ImageError for one that cannot be opened, or is empty, and for a zip on a web server.
    """
    with _opened(path) as file:
        if not file.head:
            raise ImageError("empty", "an empty file")
        size = None if file.data is None else file.data.size
        if file.is_zip:
            if file.data is None:
                raise ImageError("unsupported", "a zip archive is read from files and object stores only: download it")
            yield OpenArchive(ZipMembers(file.data, file.path), file.path is None, is_tar=False, size=size)
        elif is_compressed(file.head):
            members = TarMembers(StreamBytes(DecompressedStream(file.stream()).read), None)
            yield OpenArchive(members, is_stream=True, is_tar=True, size=size)
        elif file.data is not None and file.path is not None:
            yield OpenArchive(TarMembers(file.data, file.path), is_stream=False, is_tar=True, size=size)
        else:
            yield OpenArchive(TarMembers(StreamBytes(file.stream()), None), is_stream=True, is_tar=True, size=size)


@contextmanager
def _opened(path: str | StoreAddress) -> Iterator[_Opened]:
    if isinstance(path, str) and (scheme_of(path) is None or os.path.lexists(path)):
        with opened(path) as descriptor:
            data = FileBytes(descriptor)
            yield _Opened(data.read_at(0, BLOCK), partial(_file_stream, descriptor), data, path)
    elif isinstance(path, str) and is_url(path):
        from detcli.sources.http import opened_url  # takes a part of the start-up

        with opened_url(path) as read:
            head = _head(read)
            yield _Opened(head, lambda: _Chained(head, read))
    else:
        from detcli.io.remote.read_objects import open_object

        try:
            file = open_object(path)
        except UsageError as error:
            raise ImageError("unsupported", str(error)) from error
        with file:
            positioned = PositionedBytes(file)
            yield _Opened(positioned.read_at(0, BLOCK), partial(_object_stream, file), positioned)


def _file_stream(descriptor: int) -> Callable[[int], bytes]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return partial(os.read, descriptor)


def _object_stream(file: io.BufferedReader) -> Callable[[int], bytes]:
    file.seek(0)
    return PartsAhead(file.read)


def _head(read: Callable[[int], bytes]) -> bytes:
    head = b""
    while len(head) < BLOCK and (part := read(BLOCK - len(head))):
        head += part
    return head


class _Chained:
    """Reads the first bytes again, then the rest."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]) -> None:
        self._head, self._read = head, read

    def __call__(self, length: int) -> bytes:
        if self._head:
            part, self._head = self._head[:length], self._head[length:]
            return part
        return self._read(length)
