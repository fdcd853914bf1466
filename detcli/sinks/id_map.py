"""Masks as one picture of numbers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detcli.values.mask_runs import window
from detcli.values.masks import Rle


def id_map(
    masks: Sequence[Rle], ids: Sequence[int], size_hw: tuple[int, int], *, nothing: int = 0
) -> npt.NDArray[np.int32]:
    """The number of the mask that each pixel belongs to, int32 [H, W]; of masks that overlap the first one's.

    nothing  the number of pixels that no mask covers

    Raises ValueError for a mask of another size.
    """
    numbers = np.full(size_hw, nothing, np.int32)
    for mask, number in reversed(list(zip(masks, ids, strict=True))):
        if mask.size_hw != size_hw:
            raise ValueError(f"a mask of {mask.size_hw} does not belong to a picture of {size_hw}")
        left, top, part = window(mask)
        height, width = part.shape
        np.putmask(numbers[top : top + height, left : left + width], part, number)
    return numbers
