"""Opens archives by their first bytes, whatever their suffix says: local files, objects of stores, and http(s) URLs."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from detcli.errors import ImageError, UsageError
from detcli.io.read import opened
from detcli.io.remote.addresses import is_remote, is_url
from detcli.sources.archives.archive_bytes import ArchiveBytes, FileBytes, ObjectBytes, StreamBytes
from detcli.sources.archives.decompressed_stream import DecompressedStream, is_compressed
from detcli.sources.archives.member import Entry
from detcli.sources.archives.tar_headers import BLOCK, has_magic
from detcli.sources.archives.tar_members import TarMembers
from detcli.sources.archives.zip_members import ZipMembers, has_end_record

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

    read  returns up to so many bytes from its beginning on, empty at the end
    data  its bytes at any position; None where it must be read from its beginning to its end
    path  of a local file, from which members can be read later; None for others
    """

    read: Callable[[int], bytes]
    data: ArchiveBytes | None = None
    path: str | None = None


@contextmanager
def opened_archive(path: str) -> Iterator[OpenArchive]:
    """Open an archive. Raises ImageError for a file that cannot be opened, one that is empty, and an address of a zip."""
    with _opened(path) as file:
        head = _head(file.read)
        if not head:
            raise ImageError("empty", "an empty file")
        read = _Chained(head, file.read)
        size = None if file.data is None else file.data.size
        if _is_zip(head, file.data):
            if file.data is None:
                raise ImageError("unsupported", "a zip archive is read from files and object stores only: download it")
            yield OpenArchive(ZipMembers(file.data, file.path), file.path is None, is_tar=False, size=size)
        elif is_compressed(head):
            members = TarMembers(StreamBytes(DecompressedStream(read).read), None)
            yield OpenArchive(members, is_stream=True, is_tar=True, size=size)
        elif file.data is not None and file.path is not None:
            yield OpenArchive(TarMembers(file.data, file.path), is_stream=False, is_tar=True, size=size)
        else:
            yield OpenArchive(TarMembers(StreamBytes(read), None), is_stream=True, is_tar=True, size=size)


@contextmanager
def _opened(path: str) -> Iterator[_Opened]:
    if is_url(path) and not os.path.lexists(path):
        from detcli.sources.http import opened_url  # takes a part of the start-up

        with opened_url(path) as read:
            yield _Opened(read)
    elif is_remote(path) and not os.path.lexists(path):
        from detcli.io.remote.read_objects import open_object

        try:
            file = open_object(path)
        except UsageError as error:
            raise ImageError("unsupported", str(error)) from error
        with file:
            yield _Opened(file.read, ObjectBytes(file))
    else:
        with opened(path) as descriptor:
            yield _Opened(partial(os.read, descriptor), FileBytes(descriptor), path)


def _head(read: Callable[[int], bytes]) -> bytes:
    head = b""
    while len(head) < BLOCK and (part := read(BLOCK - len(head))):
        head += part
    return head


def _is_zip(head: bytes, data: ArchiveBytes | None) -> bool:
    """Whether it is a zip, also one with something before it, such as a program that unpacks it."""
    if head.startswith(_ZIP_HEADS):
        return True
    return data is not None and not has_magic(head) and not is_compressed(head) and has_end_record(data)


class _Chained:
    """Reads the first bytes again, then the rest."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]) -> None:
        self._head, self._read = head, read

    def __call__(self, length: int) -> bytes:
        if self._head:
            part, self._head = self._head[:length], self._head[length:]
            return part
        return self._read(length)
