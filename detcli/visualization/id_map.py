"""Masks as one image of ids."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle
from detcli.structures.rle import runs

Numbers = npt.NDArray[np.int32]

_COLUMNS = 256  # at a time: they stay in the cache of the CPU while they are transposed


def id_map(masks: Sequence[Rle], ids: Sequence[int], size_hw: tuple[int, int], *, background: int = 0) -> Numbers:
    """The id of the mask that each pixel belongs to, int32 [H, W]; where masks overlap, the first one counts.

    background  the id of pixels without a mask

    Raises ValueError for a mask of another size.
    """
    height, width = size_hw
    flat = np.full(height * width, background, np.int32)  # column by column, as the runs are counted
    for mask, number in reversed(list(zip(masks, ids, strict=True))):
        if mask.size_hw != size_hw:
            raise ValueError(f"a mask of {mask.size_hw} does not belong to an image of {size_hw}")
        starts, stops = runs(mask)
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            flat[start:stop] = number
    columns = flat.reshape(width, height)
    rows = np.empty(size_hw, np.int32)
    for left in range(0, width, _COLUMNS):
        rows[:, left : left + _COLUMNS] = columns[left : left + _COLUMNS].T
    return rows
