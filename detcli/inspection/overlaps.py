"""Finds boxes of one image that are nearly equal."""

from collections.abc import Iterator

import numpy as np

from detcli.inspection.box_table import Boxes, BoxTable, Indices

_NEARLY_EQUAL = 0.9  # intersection over union
_BLOCK = 1 << 20  # pairs at a time: an aerial image may have 20,000 boxes


def overlapping_pairs(table: BoxTable) -> tuple[Indices, Indices]:
    """Rows of two boxes of one image that are nearly equal, the earlier box first: int64 [pairs] each."""
    starts = np.searchsorted(table.images, np.arange(len(table.sizes_wh) + 1))
    first, second = [], []
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if end - start > 1:
            for row, one, other in _pairs(table.boxes_xyxy[start:end]):
                first.append(one + row + start)
                second.append(other + start)
    if not first:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(first), np.concatenate(second)


def _pairs(boxes: Boxes) -> Iterator[tuple[int, Indices, Indices]]:
    """Pairs of nearly equal boxes, in blocks of rows: the first row, rows from there, and other rows."""
    step = max(1, _BLOCK // len(boxes))
    for row in range(0, len(boxes), step):
        overlaps = _overlaps(boxes[row : row + step], boxes)
        one, other = np.nonzero(np.triu(overlaps >= _NEARLY_EQUAL, row + 1))
        yield row, one, other


def _overlaps(boxes: Boxes, others: Boxes) -> Boxes:
    """Intersection over union of each pair, float64 [N, M]."""
    start = np.maximum(boxes[:, None, :2], others[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.clip(end - start, 0, None).prod(axis=2)
    areas, other_areas = ((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, others))
    union = areas[:, None] + other_areas[None, :] - common
    return np.asarray(common / np.where(union > 0, union, 1))
