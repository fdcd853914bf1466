"""Parses the headers of tar archives: POSIX ustar and pax, GNU and the original format."""

import re
from dataclasses import dataclass, field
from typing import Final

BLOCK: Final = 512
ZERO_BLOCK: Final = bytes(BLOCK)
_MAX_SIZE: Final = 1 << 62
_MAX_KEYS: Final = 1000  # of pax records that are read
_RECORD = re.compile(rb"(\d{1,10}) ([^=\n]{1,200})=")
_USED_KEYS = ("path", "size", "linkpath")


@dataclass(frozen=True, slots=True)
class TarHeader:
    """One header block.

    kind         type flag, "0" for a file
    size         bytes of the data that follows, without padding
    is_extended  more blocks with the map of a sparse file follow
    """

    name: str
    kind: str
    size: int
    link: str
    is_extended: bool


@dataclass(slots=True)
class PaxRecords:
    """Values that pax records, and the long names of GNU, set for the next member.

    values     path, size, linkpath, and the names of sparse files
    is_sparse  the member is a sparse file
    """

    values: dict[str, str] = field(default_factory=dict)
    is_sparse: bool = False

    def add(self, data: bytes) -> None:
        """Add the records of an extended header; what is invalid is ignored."""
        position = 0
        for _ in range(_MAX_KEYS):
            match = _RECORD.match(data, position)
            if match is None:
                return
            end = position + int(match[1])
            if not match.end() <= end <= len(data):
                return
            key = _text(match[2])
            if key in _USED_KEYS or key == "GNU.sparse.name":
                self.values[key] = _text(data[match.end() : end - 1])
            self.is_sparse = self.is_sparse or key.startswith(("GNU.sparse.", "SCHILY.realsize"))
            position = end


def parse_header(block: bytes) -> TarHeader | None:
    """The header in a block of 512 bytes; None where it is cut short, or its checksum or a number is wrong."""
    if len(block) < BLOCK:
        return None
    checksum = _number(block[148:156])
    if checksum is None or checksum not in _sums(block):
        return None
    size = _number(block[124:136])
    if size is None or size > _MAX_SIZE:
        return None
    name, kind = _name(block[:100]), chr(block[156] or 0x30)
    if is_posix(block) and (prefix := _name(block[345:500])):
        name = f"{prefix}/{name}"
    return TarHeader(name, kind, size, _name(block[157:257]), kind == "S" and block[482] != 0)


def pax_size(values: dict[str, str], size: int) -> int:
    """The size of a member by its pax records; that of its header where they have none, or an invalid one."""
    text = values.get("size", "")
    return int(text) if text.isascii() and text.isdecimal() and int(text[:19]) <= _MAX_SIZE and len(text) < 20 else size


def has_magic(block: bytes) -> bool:
    """Whether a block has the magic bytes of a header, POSIX or GNU."""
    return block[257:262] == b"ustar"


def is_posix(block: bytes) -> bool:
    """Whether a header is in the POSIX format, which has the beginning of long names in a field of its own."""
    return block[257:263] == b"ustar\0"


def long_name(data: bytes) -> str:
    """The name in the data of a GNU header for long names."""
    return _name(data)


def _sums(block: bytes) -> tuple[int, int]:
    """The sum of all bytes with spaces for the checksum itself, and the sum of old writers, whose bytes had a sign."""
    unsigned = sum(block) - sum(block[148:156]) + 8 * 0x20
    if block.isascii():
        return unsigned, unsigned
    outside = block[:148] + block[156:]
    return unsigned, unsigned - 256 * sum(byte > 127 for byte in outside)


def _number(digits: bytes) -> int | None:
    """An octal number, or one in base 256; None if it is invalid or negative."""
    if digits[0] == 0x80:
        return int.from_bytes(digits[1:], "big")
    text = digits.partition(b"\0")[0].strip()
    if not text:
        return 0
    return int(text, 8) if text.isdigit() and not text.strip(b"01234567") else None


def _name(data: bytes) -> str:
    return _text(data.partition(b"\0")[0])


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
