"""Non-maximum suppression: of boxes that overlap, only the one with the highest score is kept; numpy only.

The same numbers give the same result on every machine: it is computed on the CPU in float64, and boxes with equal scores
are taken by class index, then by left, top, right and bottom edge, whatever their order was.
"""

import numpy as np
import numpy.typing as npt

from detcli.structures.detections import Detections
from detcli.tracking.box_iou import pairwise_iou

_MAX_PAIRS = 1 << 20  # of boxes whose overlaps are computed together

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def suppress_duplicates(detections: Detections, iou: float, *, across_classes: bool = False) -> Detections:
    """Return the detections without those that overlap a better one, in their order.

    iou             boxes of one class with a larger intersection over union are duplicates, between 0 and 1
    across_classes  boxes of different classes are duplicates, too

    Detections of the result never overlap by more, so doing it again changes nothing.
    """
    order = best_first(detections.boxes_xyxy, detections.scores, detections.class_ids)
    kept = np.zeros(len(detections), np.bool_)
    kept[order[suppressed_by_none(detections.boxes_xyxy[order], detections.class_ids[order], iou, across_classes)]] = (
        True
    )
    return detections[kept]


def best_first(boxes_xyxy: Floats, scores: npt.NDArray[np.float32], class_ids: Ints) -> Ints:
    """Indices by descending score; equal scores by class, then by the edges of the box: independent of their order."""
    left, top, right, bottom = boxes_xyxy.T
    order: Ints = np.lexsort((bottom, right, top, left, class_ids, -scores))
    return order


def suppressed_by_none(boxes_xyxy: Floats, class_ids: Ints, iou: float, across_classes: bool) -> Bools:
    """Which boxes, the best first, overlap no better one that is kept by more than `iou`, [N].

    Memory is bounded: overlaps are computed for a block of the best boxes at a time, with all worse ones.
    """
    count = len(boxes_xyxy)
    kept = np.ones(count, np.bool_)
    block = max(1, _MAX_PAIRS // max(1, count))
    for start in range(0, count, block):
        rows = start + np.flatnonzero(kept[start : start + block])
        overlaps = pairwise_iou(boxes_xyxy[rows], boxes_xyxy[start:]) > iou
        if not across_classes:
            overlaps &= class_ids[rows, None] == class_ids[start:]
        overlaps &= np.arange(start, count) > rows[:, None]  # only worse ones
        for position in np.flatnonzero(overlaps.any(axis=1)).tolist():
            if kept[rows[position]]:
                kept[start:] &= ~overlaps[position]
    return kept
