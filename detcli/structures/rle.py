"""Masks read straight from their runs, and checked: no image-sized array is made of each."""

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle


def runs(mask: Rle) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the runs of a mask's pixels begin and end, in places counted down the columns; none of them is empty.

    Raises ValueError where the counts are not those of a mask of this size.
    """
    lengths = _lengths(mask.counts)
    height, width = mask.size_hw
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f"its runs do not fill {width} x {height} pixels")
    ends = np.cumsum(lengths)
    stops = ends[1::2]
    starts = ends[::2][: len(stops)]
    some = stops > starts
    return starts[some], stops[some]


def check(mask: Rle) -> None:
    """Raise ValueError where the counts are not those of a mask of this size; pycocotools would read anything."""
    runs(mask)


def _lengths(counts: str) -> npt.NDArray[np.int64]:
    """Lengths of runs, of zeros first, out of COCO's compressed form.

    A number is a chain of characters from "0" on, five bits each, the lowest first: 0x20 says that another follows,
    0x10 in the last one that the number is negative. From the fourth on, a number is the difference to the one before
    the last.

    Source: rleToString in cocoapi's maskApi.c.
    """
    codes = np.frombuffer(counts.encode("ascii", "replace"), np.uint8).astype(np.int64) - 48
    if not len(codes):
        return codes
    ends = np.flatnonzero(codes & 0x20 == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if (codes < 0).any() or (codes > 63).any() or len(ends) == 0 or ends[-1] != len(codes) - 1:
        raise ValueError("its counts are not COCO's compressed runs")
    chains = ends - starts + 1
    if chains.max() > 7:  # of 35 bits: more than an image has pixels
        raise ValueError("its counts are not COCO's compressed runs")
    places = np.arange(len(codes)) - np.repeat(starts, chains)
    lengths: npt.NDArray[np.int64] = np.add.reduceat((codes & 0x1F) << (5 * places), starts)
    lengths -= (codes[ends] & 0x10 != 0).astype(np.int64) << (5 * chains)
    for first in (1, 2):
        lengths[first::2] = np.cumsum(lengths[first::2])
    return lengths
