"""Reads and checks run-length encoded masks without decoding them to an array of the image size."""

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle

MAX_PIXELS = 1 << 30  # decoding takes a byte for each; pycocotools counts with 32 bits


def runs(mask: Rle) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Starts and stops of the runs of a mask, as pixel indices counted column by column; no run is empty.

    Raises ValueError if the counts do not match the size of the mask.
    """
    lengths = _lengths(mask.counts)
    height, width = mask.size_hw
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f"its runs do not fill {width} x {height} pixels")
    ends = np.cumsum(lengths)
    stops = ends[1::2]
    starts = ends[::2][: len(stops)]
    is_not_empty = stops > starts
    return starts[is_not_empty], stops[is_not_empty]


def check(mask: Rle) -> None:
    """Raise ValueError if the mask is too large or the counts do not match its size; pycocotools does not check this."""
    height, width = mask.size_hw
    if height * width > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than the limit of {MAX_PIXELS:,}")
    runs(mask)


def _lengths(counts: str) -> npt.NDArray[np.int64]:
    """Decode COCO's compressed counts to run lengths, the first of zeros.

    A number is a sequence of characters starting at "0", five bits each, the lowest first: 0x20 means that another one
    follows, and 0x10 in the last one means a negative number. From the fourth number on, a number is the difference to
    the one two before it.

    Source: rleToString in cocoapi's maskApi.c.
    """
    codes = np.frombuffer(counts.encode("ascii", "replace"), np.uint8).astype(np.int64) - 48
    if not len(codes):
        return codes
    ends = np.flatnonzero(codes & 0x20 == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if (codes < 0).any() or (codes > 63).any() or len(ends) == 0 or ends[-1] != len(codes) - 1:
        raise ValueError("its counts are not COCO's compressed runs")
    digit_counts = ends - starts + 1
    if digit_counts.max() > 7:  # more than 35 bits: larger than any image
        raise ValueError("its counts are not COCO's compressed runs")
    digit_index = np.arange(len(codes)) - np.repeat(starts, digit_counts)
    lengths: npt.NDArray[np.int64] = np.add.reduceat((codes & 0x1F) << (5 * digit_index), starts)
    lengths -= (codes[ends] & 0x10 != 0).astype(np.int64) << (5 * digit_counts)
    for first in (1, 2):
        lengths[first::2] = np.cumsum(lengths[first::2])
    return lengths
