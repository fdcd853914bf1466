"""The tags of the first image of a TIFF, as raw values: read from a file, and written for a smaller one.

Source: TIFF 6.0, section 2; BigTIFF has 8-byte counts and offsets.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q", 18: "Q"}
_LONG = 4
_HEADS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
MAX_TAGS = 1 << 12


@dataclass(frozen=True, slots=True)
class TiffTag:
    """One tag: its type, how many values it has, and their bytes in the order of the file."""

    kind: int
    count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class TiffTags:
    """Tags by number.

    endian  "<" or ">", as for struct
    """

    endian: str
    tags: Mapping[int, TiffTag]

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The integers of a tag; empty if it is missing or has none."""
        found = self.tags.get(tag)
        if found is None or found.kind not in _INTEGERS:
            return ()
        return struct.unpack(f"{self.endian}{found.count}{_INTEGERS[found.kind]}", found.data)

    def number(self, tag: int, default: int) -> int:
        """The first integer of a tag, or the default."""
        numbers = self.numbers(tag)
        return numbers[0] if numbers else default

    def longs(self, values: tuple[int, ...]) -> TiffTag:
        """A tag of 32-bit integers in the byte order of these tags."""
        return TiffTag(_LONG, len(values), struct.pack(f"{self.endian}{len(values)}L", *values))

    def file(self, tags: Mapping[int, TiffTag], data: bytes, data_at: int) -> bytes:
        """A TIFF with these tags and data, which starts at the position `data_at`, of at least 8."""
        head = (b"II*\0" if self.endian == "<" else b"MM\0*") + struct.pack(f"{self.endian}L", data_at + len(data))
        entries, values, at = b"", b"", data_at + len(data) + 2 + 12 * len(tags) + 4
        for number, tag in sorted(tags.items()):
            entries += struct.pack(f"{self.endian}HHL", number, tag.kind, tag.count)
            if len(tag.data) <= 4:
                entries += tag.data.ljust(4, b"\0")
            else:
                entries += struct.pack(f"{self.endian}L", at + len(values))
                values += tag.data + bytes(len(tag.data) % 2)
        count = struct.pack(f"{self.endian}H", len(tags))
        return b"".join((head.ljust(data_at, b"\0"), data, count, entries, bytes(4), values))


def read_tags(data: bytes) -> TiffTags | None:
    """The tags of the first image; None for another format. Raises struct.error or ValueError for damaged tags."""
    endian = _HEADS.get(data[:4])
    if endian is None:
        return None
    is_big = b"+" in data[:4]
    word, count_format, size = ("Q", "Q", 20) if is_big else ("L", "H", 12)  # of offsets, of the count, of a tag
    width = struct.calcsize(f"={word}")
    (start,) = struct.unpack_from(f"{endian}{word}", data, 8 if is_big else 4)
    (count,) = struct.unpack_from(f"{endian}{count_format}", data, start)
    if count > MAX_TAGS:
        raise ValueError(f"{count} tags")
    tags, start = {}, start + struct.calcsize(f"={count_format}")
    for position in range(start, start + count * size, size):
        number, kind, values = struct.unpack_from(f"{endian}HH{word}", data, position)
        length, at = _SIZES.get(kind, 0) * values, position + size - width
        if length > width:
            (at,) = struct.unpack_from(f"{endian}{word}", data, at)
        if at + length > len(data):
            raise ValueError(f"tag {number} lies outside the file")
        tags[number] = TiffTag(kind, values, data[at : at + length])
    return TiffTags(endian, tags)
