"""Reads the members of a zip by its directory, entry by entry; the directory is never in memory as a whole."""

import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from detcli.errors import ImageError
from detcli.io.archives.archive_bytes import ArchiveBytes
from detcli.io.archives.member import MAX_MEMBERS, Entry, Member
from detcli.io.archives.zip_content import PackedContent, read_zip_content, read_zip_file_content

_END: Final = re.compile(b"PK\5\6")
_END64: Final = b"PK\6\6"
_LOCATOR64: Final = b"PK\6\7"
_ENTRY: Final = b"PK\1\2"
_END_RECORD: Final = struct.Struct("<4s4H2LH")
_END64_RECORD: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_ENTRY_HEAD: Final = struct.Struct("<4s6H3L5H2L")
_MAX_COMMENT: Final = 1 << 16
_WINDOW_BYTES: Final = 1 << 20  # of the directory at a time; an entry has at most 196 KiB
_UTF8: Final = 1 << 11
_ENCRYPTED: Final = 1
_UNIX: Final = 3  # of the systems that make archives
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
_ZIP64_FIELD, _UNICODE_NAME_FIELD = 0x0001, 0x7075


@dataclass(frozen=True, slots=True)
class _Directory:
    """Where the entries are.

    shift  of all offsets, where something was put before the archive
    """

    start: int
    size: int
    shift: int


class ZipMembers:
    """Iterates over the members of a zip, in the order of its directory.

    data  its bytes, at any offset
    path  of the file, from which members can be read later and in any thread; None: they are read from `data`
    """

    def __init__(self, data: ArchiveBytes, path: str | None) -> None:
        self._data, self._path = data, path
        self._count = 0

    def __iter__(self) -> Iterator[Entry]:
        """The members; as the last entry an error where the directory is damaged or missing."""
        try:
            directory = self._directory()
            for entry in self._entries(directory):
                self._count += 1
                if self._count > MAX_MEMBERS:
                    raise ImageError("too-large", f"the archive has more members than the limit of {MAX_MEMBERS:,}")
                member = self._member(entry, directory)
                if member is not None:
                    yield member
        except ImageError as error:
            yield error
        except OSError as error:
            yield ImageError("decode-failed", f"reading failed: {error.strerror or error}")

    def _directory(self) -> _Directory:
        end, record = _end_record(self._data)
        if not record:
            raise ImageError("truncated", "the end of the zip archive is missing, and with it the list of its members")
        _, disk, _, _, _, length, start, _ = _END_RECORD.unpack(record)
        if disk not in (0, _MAX16):
            raise ImageError("unsupported", "zip archives in several parts are not supported")
        wide = self._end64(end)
        if wide is not None:
            end, length, start = wide
        shift = end - length - start
        if shift < 0:
            raise ImageError("decode-failed", "the zip archive is damaged: its directory is not where it should be")
        return _Directory(start + shift, length, shift)

    def _end64(self, end: int) -> tuple[int, int, int] | None:
        """Position of the end record of a large archive, and size and start of its directory."""
        locator = self._data.read_at(max(end - _LOCATOR.size, 0), _LOCATOR.size)
        if len(locator) < _LOCATOR.size or not locator.startswith(_LOCATOR64):
            return None
        for position in (_LOCATOR.unpack(locator)[2], end - _LOCATOR.size - _END64_RECORD.size):
            record = self._data.read_at(max(position, 0), _END64_RECORD.size)
            if len(record) == _END64_RECORD.size and record.startswith(_END64):
                length, start = _END64_RECORD.unpack(record)[-2:]
                return position, length, start
        raise ImageError("decode-failed", "the zip archive is damaged: the end of its directory is missing")

    def _entries(self, directory: _Directory) -> Iterator[bytes]:
        """The bytes of each entry."""
        position, end = directory.start, directory.start + directory.size
        window, window_start = b"", position
        while position < end:
            length = _length_of(window, position - window_start)
            if length is None or position - window_start + length > len(window):
                window, window_start = self._data.read_at(position, min(end - position, _WINDOW_BYTES)), position
                length = _length_of(window, 0)
            at = position - window_start
            if length is None or at + length > len(window):
                raise ImageError(
                    "decode-failed",
                    f"the directory of the zip archive is damaged after {self._count:,} members: members may be missing",
                )
            yield window[at : at + length]
            position += length

    def _member(self, entry: bytes, directory: _Directory) -> Member | None:
        """The member of an entry; None for a folder."""
        (_, system, _, flags, method, _, _, crc, packed, size, name_length, extra_length, _, _, _, attributes, at) = (
            _ENTRY_HEAD.unpack_from(entry)
        )
        system >>= 8
        raw_name = entry[_ENTRY_HEAD.size : _ENTRY_HEAD.size + name_length]
        extra = _extra_fields(entry[_ENTRY_HEAD.size + name_length :][:extra_length])
        name = _name(raw_name, flags, extra)
        if name.endswith("/") or (system != _UNIX and name.endswith("\\")):
            return None
        size, packed, at = _wide_values((size, packed, at), extra.get(_ZIP64_FIELD, b""))
        content = PackedContent(at + directory.shift, packed, size, method, crc)
        mode = attributes >> 16 if system == _UNIX else 0
        error = _error_of(flags, mode, method)
        if self._path is None:
            return Member(name, size, partial(read_zip_content, self._data, content), error)
        return Member(name, size, partial(read_zip_file_content, self._path, content), error)


def has_end_record(data: ArchiveBytes) -> bool:
    """Whether the bytes end as a zip archive does."""
    return bool(_end_record(data)[1])


def _end_record(data: ArchiveBytes) -> tuple[int, bytes]:
    """Position and bytes of the record at the end, which a comment may follow; empty if there is none."""
    size = data.size or 0
    start = max(size - _END_RECORD.size - _MAX_COMMENT, 0)
    tail = data.read_at(start, size - start)
    found = [match.start() for match in _END.finditer(tail) if _is_complete(tail, match.start())]
    # The same bytes may be in the comment.
    at = next(
        (at for at in reversed(found) if _ends_directory(data, start + at, tail[at:])), found[-1] if found else -1
    )
    return start + at, b"" if at < 0 else tail[at : at + _END_RECORD.size]


def _is_complete(tail: bytes, at: int) -> bool:
    """Whether an end record is there with its comment; other bytes may follow, as of a download that was padded."""
    record = tail[at : at + _END_RECORD.size]
    return len(record) == _END_RECORD.size and at + len(record) + int.from_bytes(record[-2:], "little") <= len(tail)


def _ends_directory(data: ArchiveBytes, position: int, record: bytes) -> bool:
    """Whether the directory that a record describes begins as one, where it should."""
    _, _, _, _, count, length, first, _ = _END_RECORD.unpack_from(record)
    if _MAX32 in (length, first):
        return data.read_at(max(position - _LOCATOR.size, 0), 4) == _LOCATOR64
    return count == 0 or data.read_at(max(position - length, 0), 4) == _ENTRY


def _length_of(window: bytes, at: int) -> int | None:
    """The length of the entry at a position; None if there is none, or not its fixed part."""
    if len(window) - at < _ENTRY_HEAD.size or window[at : at + 4] != _ENTRY:
        return None
    lengths: tuple[int, ...] = struct.unpack_from("<3H", window, at + 28)  # name, extra fields, comment
    return _ENTRY_HEAD.size + sum(lengths)


def _extra_fields(data: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    position = 0
    while position + 4 <= len(data):
        kind, length = struct.unpack_from("<2H", data, position)
        fields.setdefault(kind, data[position + 4 : position + 4 + length])
        position += 4 + length
    return fields


def _wide_values(values: tuple[int, int, int], field: bytes) -> tuple[int, int, int]:
    """Size, compressed size and offset, each from the field of large archives where its 32 bits are all set."""
    wide = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
    size, packed, at = (next(wide, value) if value == _MAX32 else value for value in values)
    return size, packed, at


def _name(raw: bytes, flags: int, extra: dict[int, bytes]) -> str:
    """The name, in UTF-8 where the archive says so or the bytes are; otherwise in the code page of old archives."""
    if flags & _UTF8:
        return raw.decode("utf-8", "surrogateescape")
    unicode_name = extra.get(_UNICODE_NAME_FIELD, b"")[5:]
    try:
        return (unicode_name or raw).decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _error_of(flags: int, mode: int, method: int) -> ImageError | None:
    """Why a member has no content to read; None for a file."""
    if flags & _ENCRYPTED:
        return ImageError("unsupported", "encrypted: members with a password are not supported")
    if stat.S_ISLNK(mode):
        return ImageError("unsupported", "a symbolic link: links in archives are not followed")
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return ImageError("not-a-file", "a device or a named pipe, not a file")
    return PackedContent.unsupported(method)
