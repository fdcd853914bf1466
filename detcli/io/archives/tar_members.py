"""Reads the members of a tar archive one after the other: streaming, and never more than one header in memory."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from detcli.errors import ImageError
from detcli.io.archives.archive_bytes import ArchiveBytes, read_content, read_file_content
from detcli.io.archives.member import MAX_MEMBERS, Entry, Member, ReadMember
from detcli.io.archives.tar_headers import (
    BLOCK,
    ZERO_BLOCK,
    PaxRecords,
    TarHeader,
    has_magic,
    long_name,
    parse_header,
    pax_size,
)

_MAX_EXTRA_BYTES: Final = 1 << 20  # of an extended header
_MAX_ZERO_BLOCKS: Final = 2048  # after the last member; writers pad to 10 KiB
_LONG_NAMES: Final = {"L": "path", "K": "linkpath"}
_NOT_FILES: Final = {"3": "a device", "4": "a device", "6": "a named pipe (FIFO)"}
_LINKS: Final = {"1": "a hard link", "2": "a symbolic link"}
_WITHOUT_DATA: Final = "123456"
_FOLDERS: Final = "5DVN"  # folders, and labels of volumes


class TarMembers:
    """Iterates over the members of a tar, once.

    data  its bytes, decompressed
    path  of the file, from which each member can be read later and in any thread; None for a stream, whose members must
          be read before the next one is taken
    """

    def __init__(self, data: ArchiveBytes, path: str | None) -> None:
        self._data, self._path = data, path
        self._offset = 0
        self._count = 0
        self._extra = PaxRecords()  # for the next member
        self._common = PaxRecords()  # for all that follow
        self._found = b""  # the header that a search ended at

    def __iter__(self) -> Iterator[Entry]:
        """The members; an error where some may be missing, also as the last entry of an archive that was cut short."""
        try:
            yield from self._entries()
        except ImageError as error:
            yield ImageError(error.code, f"{error}; {self._so_far()}")
        except OSError as error:
            yield ImageError("decode-failed", f"reading failed: {error.strerror or error}; {self._so_far()}")

    def _entries(self) -> Iterator[Entry]:
        zeros = 0
        while zeros < _MAX_ZERO_BLOCKS and (block := self._next_block()):
            header = None if block == ZERO_BLOCK else parse_header(block)
            if block == ZERO_BLOCK:
                zeros, self._offset = zeros + 1, self._offset + BLOCK
            elif header is not None:  # also after an end mark: archives may be joined
                zeros = 0
                yield from self._member(header)
            elif zeros:  # something else after the end mark
                return
            elif len(block) < BLOCK:
                break
            elif self._offset == 0 and not has_magic(block):
                yield ImageError("not-an-image", "neither a tar nor a zip archive")
                return
            else:
                yield self._damaged()
                if not self._find_header():
                    return
        if not zeros:
            raise ImageError("truncated", "the archive ends without its end mark: it was cut short")

    def _next_block(self) -> bytes:
        block, self._found = self._found, b""
        return block or self._data.read_at(self._offset, BLOCK)

    def _member(self, header: TarHeader) -> Iterator[Member]:
        """The member of a header; none for a folder, and for a header that belongs to the next one."""
        start = self._offset + BLOCK
        if header.kind in "xgLKX":
            self._offset = start + _padded(header.size)
            self._read_extra(header, start)
            return
        if header.is_extended:
            start = self._end_of_map(start)
        extra, self._extra = self._extra, PaxRecords()
        values = self._common.values | extra.values
        size = pax_size(values, header.size)
        self._offset = start + (0 if header.kind in _WITHOUT_DATA else _padded(size))
        self._count += 1
        if self._count > MAX_MEMBERS:
            raise ImageError("too-large", f"the archive has more members than the limit of {MAX_MEMBERS:,}")
        name = values.get("GNU.sparse.name") or values.get("path") or header.name
        if header.kind not in _FOLDERS and not name.endswith("/"):
            error = _error_of(header, values.get("linkpath") or header.link, is_sparse=extra.is_sparse)
            yield Member(name, size, self._reader(start, size), error)

    def _end_of_map(self, start: int) -> int:
        """Where the data of a sparse file begins, after the blocks of its map."""
        while len(block := self._data.read_at(start, BLOCK)) == BLOCK:
            start += BLOCK
            if not block[504]:
                break
        return start

    def _reader(self, start: int, size: int) -> ReadMember:
        if self._path is None:
            return partial(read_content, self._data, start, size)
        return partial(read_file_content, self._path, start, size)

    def _read_extra(self, header: TarHeader, start: int) -> None:
        if header.size > _MAX_EXTRA_BYTES:
            raise ImageError("too-large", f"an extended header of {header.size:,} bytes is refused")
        data = self._data.read_at(start, header.size)
        if len(data) < header.size:
            raise ImageError("truncated", "the archive ends within a header: it was cut short")
        if header.kind in _LONG_NAMES:
            self._extra.values[_LONG_NAMES[header.kind]] = long_name(data)
        else:
            (self._common if header.kind == "g" else self._extra).add(data)

    def _damaged(self) -> ImageError:
        message = f"the header at byte {self._offset:,} is damaged: members may be missing; {self._so_far()}"
        return ImageError("decode-failed", message)

    def _find_header(self) -> bool:
        """Skip to the next valid header; False if there is none."""
        self._extra = PaxRecords()
        self._offset += BLOCK
        while block := self._data.read_at(self._offset, BLOCK):
            if has_magic(block) and parse_header(block) is not None:
                self._found = block
                return True
            self._offset += BLOCK
        return False

    def _so_far(self) -> str:
        return f"{self._count:,} {'member was' if self._count == 1 else 'members were'} read before"


def _error_of(header: TarHeader, link: str, *, is_sparse: bool) -> ImageError | None:
    """Why a member has no content to read; None for a file."""
    if header.kind in _LINKS:
        return ImageError("unsupported", f"{_LINKS[header.kind]} to '{link}': links in archives are not followed")
    if header.kind in _NOT_FILES:
        return ImageError("not-a-file", f"{_NOT_FILES[header.kind]}, not a file")
    if is_sparse or header.kind == "S":
        return ImageError("unsupported", "sparse files in archives are not supported")
    if header.kind == "M":
        return ImageError("unsupported", "the rest of a file from another volume of the archive")
    return None


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
