"""Bands of rows of a large TIFF, decoded one at a time: the image is never in memory as a whole.

The strips, or the rows of tiles, that a band needs become a small TIFF of their own, with the tags of the file, and that
is decoded as any other image is. So a band has exactly the pixels of the whole image.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from detcli.io.images.decode import decode
from detcli.io.images.tiff_tags import TiffTags, read_tags
from detcli.structures.frame import Pixels

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES = 256, 257, 258, 259, 262, 274, 277
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR, _XMP = 273, 278, 279, 284, 700
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
# Besides those above, the tags that decide about pixels: FillOrder, T4Options, T6Options, Predictor, ColorMap, ExtraSamples,
# SampleFormat, JPEGTables, and four of YCbCr.
_COPIED = {_WIDTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _TILE_WIDTH, _TILE_LENGTH}
_COPIED |= {266, 292, 293, 317, 320, 338, 339, 347, 529, 530, 531, 532}
_UNCOMPRESSED, _OLD_JPEG = 1, 6
_YCBCR = 6  # of _PHOTOMETRIC
_MAX_UNIT_ROWS = 4096  # strips or tiles that are higher save no memory
_DATA_AT = 8
_NO_LIMIT = 1 << 40  # pixels of a band; the whole image was checked


@dataclass(frozen=True, slots=True)
class TiffBands:
    """The pixels of a TIFF, by bands of rows.

    data       the bytes of the file
    size_hw    of the image
    unit_rows  rows of a strip or of a tile
    parts      offset and length of the strips or tiles of each unit, from the top
    tags       the tags of the file
    """

    data: bytes
    size_hw: tuple[int, int]
    unit_rows: int
    parts: Sequence[Sequence[tuple[int, int]]]
    tags: TiffTags

    @property
    def nbytes(self) -> int:
        """The bytes that are in memory."""
        return len(self.data)

    def read(self, top: int, bottom: int) -> Pixels:
        """Decode the rows from top to bottom: uint8 [bottom - top, W, 3] RGB. Raises ImageError for damaged data."""
        first, last = top // self.unit_rows, -(-bottom // self.unit_rows)
        start = first * self.unit_rows
        rows = min(last * self.unit_rows, self.size_hw[0]) - start
        small = self._small_tiff([part for unit in self.parts[first:last] for part in unit], rows)
        return decode(small, max_pixels=_NO_LIMIT).pixels[top - start : bottom - start]

    def _small_tiff(self, parts: Sequence[tuple[int, int]], rows: int) -> bytes:
        data = b"".join(self.data[offset : offset + count] for offset, count in parts)
        offsets, at = [], _DATA_AT
        for _, count in parts:
            offsets.append(at)
            at += count
        tags = {number: tag for number, tag in self.tags.tags.items() if number in _COPIED}
        tags[_WIDTH], tags[_LENGTH] = self.tags.longs((self.size_hw[1],)), self.tags.longs((rows,))
        is_tiled = _TILE_OFFSETS in self.tags.tags
        tags[_TILE_OFFSETS if is_tiled else _STRIP_OFFSETS] = self.tags.longs(tuple(offsets))
        tags[_TILE_BYTES if is_tiled else _STRIP_BYTES] = self.tags.longs(tuple(count for _, count in parts))
        if not is_tiled:
            tags[_ROWS_PER_STRIP] = self.tags.longs((self.unit_rows,))
        return self.tags.file(tags, data + bytes(len(data) % 2), _DATA_AT)


def open_bands(data: bytes, *, max_pixels: int) -> TiffBands | None:
    """The bands of a TIFF; None for another image, and for a TIFF that must be decoded as a whole.

    These are: more than `max_pixels`, turned by its orientation, colors in separate planes, old JPEG, a strip or tile of
    many rows that is compressed, and any with damaged tags, of which decoding reports what is wrong.
    """
    try:
        tags = read_tags(data)
        bands = None if tags is None else _bands(tags, data)
    except (struct.error, ValueError, ZeroDivisionError, OverflowError):
        return None
    return bands if bands is not None and bands.size_hw[0] * bands.size_hw[1] <= max_pixels else None


def _bands(tags: TiffTags, data: bytes) -> TiffBands | None:
    width, height = tags.number(_WIDTH, 0), tags.number(_LENGTH, 0)
    compression = tags.number(_COMPRESSION, _UNCOMPRESSED)
    is_turned = tags.number(_ORIENTATION, 1) != 1 or (_XMP in tags.tags and b"rientation" in tags.tags[_XMP].data)
    has_planes = tags.number(_PLANAR, 1) != 1 and tags.number(_SAMPLES, 1) != 1
    if is_turned or has_planes or compression == _OLD_JPEG or width < 1 or height < 1:
        return None
    across = 1
    if _TILE_OFFSETS in tags.tags:
        unit_rows, across = tags.number(_TILE_LENGTH, 0), -(-width // tags.number(_TILE_WIDTH, 0))
        parts = list(zip(tags.numbers(_TILE_OFFSETS), tags.numbers(_TILE_BYTES), strict=True))
    else:
        unit_rows = min(tags.number(_ROWS_PER_STRIP, height), height)
        parts = list(zip(tags.numbers(_STRIP_OFFSETS), tags.numbers(_STRIP_BYTES), strict=True))
        if compression == _UNCOMPRESSED and tags.number(_PHOTOMETRIC, 0) != _YCBCR:
            bits = tags.numbers(_BITS) or (1,)
            parts = _rows_of(parts, unit_rows, -(-width * sum(bits) // 8), height)
            unit_rows = 1
    units = -(-height // unit_rows)
    is_complete = all(offset > 0 and count > 0 and offset + count <= len(data) for offset, count in parts)
    if units < 2 or unit_rows > _MAX_UNIT_ROWS or len(parts) != units * across or not is_complete:
        return None
    by_unit = [parts[start : start + across] for start in range(0, len(parts), across)]
    return TiffBands(data, (height, width), unit_rows, by_unit, tags)


def _rows_of(strips: Sequence[tuple[int, int]], rows: int, row: int, height: int) -> list[tuple[int, int]]:
    """The single rows of uncompressed strips: each is a strip of its own."""
    found: list[tuple[int, int]] = []
    for number, (offset, count) in enumerate(strips):
        here = min(rows, height - number * rows)
        if count < here * row:
            return []
        found.extend((offset + index * row, row) for index in range(here))
    return found
