"""Opens archives by their first bytes, whatever their suffix says."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from detcli.errors import ImageError
from detcli.io.read import opened
from detcli.sources.archives.archive_bytes import FileBytes, StreamBytes
from detcli.sources.archives.decompressed_stream import DecompressedStream, is_compressed
from detcli.sources.archives.member import Entry
from detcli.sources.archives.tar_headers import BLOCK, has_magic
from detcli.sources.archives.tar_members import TarMembers
from detcli.sources.archives.zip_members import ZipMembers, has_end_record

_ZIP_HEADS = (b"PK\3\4", b"PK\5\6", b"PK\7\x08")


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """An archive that is open for one iteration.

    entries    its members, and errors where some may be missing
    is_stream  each member must be read before the next one is taken
    is_tar     it may have the samples of WebDataset
    size       of the file in bytes
    """

    entries: Iterable[Entry]
    is_stream: bool
    is_tar: bool
    size: int


@contextmanager
def opened_archive(path: str) -> Iterator[OpenArchive]:
    """Open an archive. Raises ImageError for a file that cannot be opened, and one that is empty."""
    with opened(path) as descriptor:
        data = FileBytes(descriptor)
        head = data.read_at(0, BLOCK)
        if not head:
            raise ImageError("empty", "an empty file")
        if head.startswith(_ZIP_HEADS) or (not has_magic(head) and not is_compressed(head) and has_end_record(data)):
            yield OpenArchive(ZipMembers(data, path), is_stream=False, is_tar=False, size=data.size)
        elif is_compressed(head):
            os.lseek(descriptor, 0, os.SEEK_SET)
            stream = DecompressedStream(partial(os.read, descriptor))
            yield OpenArchive(TarMembers(StreamBytes(stream.read), None), is_stream=True, is_tar=True, size=data.size)
        else:
            yield OpenArchive(TarMembers(data, path), is_stream=False, is_tar=True, size=data.size)
