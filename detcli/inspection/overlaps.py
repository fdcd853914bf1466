"""Finds boxes of one image that are nearly equal."""

import numpy as np

from detcli.inspection.box_table import Boxes, BoxTable, Indices

_NEARLY_EQUAL = 0.9  # intersection over union


def overlapping_pairs(table: BoxTable) -> tuple[Indices, Indices]:
    """Rows of two boxes of one image that are nearly equal, the earlier box first: int64 [pairs] each."""
    starts = np.searchsorted(table.images, np.arange(len(table.sizes_wh) + 1))
    first, second = [], []
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if end - start > 1:
            one, other = np.nonzero(np.triu(_overlaps(table.boxes_xyxy[start:end]) >= _NEARLY_EQUAL, 1))
            first.append(one + start)
            second.append(other + start)
    if not first:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(first), np.concatenate(second)


def _overlaps(boxes: Boxes) -> Boxes:
    """Intersection over union of each pair, float64 [N, N]."""
    start = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.clip(end - start, 0, None).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    union = areas[:, None] + areas[None, :] - common
    return np.asarray(common / np.where(union > 0, union, 1))
