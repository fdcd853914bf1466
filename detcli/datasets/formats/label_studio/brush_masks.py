"""Decodes the masks that brushes of Label Studio paint: runs of RGBA bytes in a stream of bits."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from detcli.structures.masks import Rle
from detcli.structures.rle import MAX_PIXELS

_CHANNELS: Final = 4
_WORD_BITS: Final = 8
_MAX_PAINTED: Final = MAX_PIXELS // 8  # pixels of a mask, decoded as four bytes each


def decode_brush(rle: object, size_hw: tuple[int, int]) -> Rle | None:
    """The mask of a brush: the pixels with an alpha above 0. None if it is invalid, or of another size.

    rle      bytes as a list of numbers: 32 bits for the number of values, 5 for the bits of a value, four times 4 for the
             bits of the length of a run, then runs: a bit (1: the value is repeated), 2 bits for the size of the length,
             the length, and one value or all of them. Numbers of bits, and lengths, are one less than they mean
    size_hw  height and width of the image

    Source: the format of `@thi.ng/rle-pack`, which Label Studio uses.
    """
    height, width = size_hw
    if not isinstance(rle, list) or not 0 < height * width <= _MAX_PAINTED:
        return None
    try:
        values = _unpack(_Bits(bytes(rle)), height * width * _CHANNELS)
    except (TypeError, ValueError):
        return None
    return Rle.of(values.reshape(height, width, _CHANNELS)[..., 3] > 0)


def _unpack(bits: "_Bits", count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The values, uint8 [count]. Raises ValueError if there is another number of them."""
    if bits.take(32) != count or bits.take(5) + 1 != _WORD_BITS:
        raise ValueError("another number of values, or values that are no bytes")
    length_bits = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    start = 0
    while start < count:
        is_run = bits.take(1)
        stop = start + bits.take(length_bits[bits.take(2)]) + 1
        if stop > count:
            raise ValueError("its runs are longer than the image")
        values[start:stop] = bits.take(_WORD_BITS) if is_run else bits.take_words(stop - start)
        start = stop
    return values


class _Bits:
    """Reads numbers of some bits, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def take(self, count: int) -> int:
        """A number of up to 32 bits. Raises ValueError at the end."""
        start, self._position = self._position, self._position + count
        if self._position > 8 * len(self._data):
            raise ValueError("it ends too early")
        window = int.from_bytes(self._data[start >> 3 : (start >> 3) + 5].ljust(5, b"\0"), "big")
        return (window >> (40 - (start & 7) - count)) & ((1 << count) - 1)

    def take_words(self, count: int) -> Sequence[int]:
        """So many bytes. Raises ValueError at the end."""
        return [self.take(_WORD_BITS) for _ in range(count)]
