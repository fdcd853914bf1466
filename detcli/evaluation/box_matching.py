"""Matches detections with ground-truth boxes: true positives, misclassified, false positives and false negatives.

Unlike AP, which needs every score, this shows what a user sees of the detections above one score.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Json = Mapping[str, Any]
Boxes = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

IOU = 0.5
UNMATCHED, IGNORED = -1, -2
_MAX_PAIRS = 2_000_000  # of boxes whose overlaps are computed together


@dataclass(frozen=True, slots=True)
class BoxMatches:
    """The ground truth and the detections of one image, and which belong together.

    ground_truth_boxes         float64 [N, 4] left, top, right, bottom; without crowds
    ground_truth_category_ids  int64 [N]
    boxes                      float64 [M, 4] detections, sorted by confidence
    category_ids               int64 [M]
    scores                     float64 [M]
    ground_truth_index         int64 [M] index of the matched ground truth, UNMATCHED, or IGNORED for one in a crowd
    crowd_boxes                float64 [C, 4] of crowds
    """

    image_id: int
    ground_truth_boxes: Boxes
    ground_truth_category_ids: Ints
    boxes: Boxes
    category_ids: Ints
    scores: npt.NDArray[np.float64]
    ground_truth_index: Ints
    crowd_boxes: Boxes

    @property
    def overlaps(self) -> npt.NDArray[np.float64]:
        """The IoU of each detection with its ground truth, [M]; 0 without."""
        ious = np.zeros(len(self.boxes))
        for row in np.flatnonzero(self.ground_truth_index >= 0).tolist():
            matched = self.ground_truth_boxes[self.ground_truth_index[row]]
            ious[row] = _overlaps(self.boxes[row : row + 1], matched[None])[0, 0]
        return ious

    @property
    def false_negatives(self) -> Mask:
        """Ground truth without a detection, [N]."""
        unmatched = np.ones(len(self.ground_truth_category_ids), np.bool_)
        unmatched[self.ground_truth_index[self.ground_truth_index >= 0]] = False
        return unmatched

    @property
    def true_positives(self) -> Mask:
        """Detections that match ground truth of their class, [M]."""
        return self._matched(same_class=True)

    @property
    def misclassified(self) -> Mask:
        """Detections that match ground truth of another class, [M]."""
        return self._matched(same_class=False)

    @property
    def false_positives(self) -> Mask:
        """Detections that match no ground truth, [M]."""
        unmatched: Mask = self.ground_truth_index == UNMATCHED
        return unmatched

    @property
    def mistakes(self) -> int:
        """Number of false negatives, misclassified and false positives."""
        return int(self.false_negatives.sum() + self.misclassified.sum() + self.false_positives.sum())

    def _matched(self, *, same_class: bool) -> Mask:
        is_matched = self.ground_truth_index >= 0
        has_same_class = np.zeros(len(self.ground_truth_index), np.bool_)
        matched_ids = self.ground_truth_category_ids[self.ground_truth_index[is_matched]]
        has_same_class[is_matched] = matched_ids == self.category_ids[is_matched]
        selected: Mask = is_matched & (has_same_class == same_class)
        return selected


def entries_above(results: Iterable[Json], score: float, class_scores: Mapping[int, float]) -> list[Json]:
    """The results with a score above `score`, or above that of their category id in `class_scores`."""
    return [entry for entry in results if entry["score"] > class_scores.get(entry["category_id"], score)]


def match_boxes(
    annotations: Json,
    results: Iterable[Json],
    *,
    score: float,
    class_scores: Mapping[int, float] = MappingProxyType({}),
    iou: float = IOU,
) -> Iterator[BoxMatches]:
    """Match the results above `score`, or above that of their category id in `class_scores`, with the annotations, image by image in the order of the annotations.

    In the order of their scores, detections take the free ground truth with the highest IoU of at least `iou`, of any
    class. Of the rest, those in a crowd of their class, by that share of their own area, are ignored.
    """
    ground_truth, detections = defaultdict(list), defaultdict(list)
    for entry in annotations["annotations"]:
        ground_truth[entry["image_id"]].append(entry)
    for entry in entries_above(results, score, class_scores):
        detections[entry["image_id"]].append(entry)
    for image in annotations["images"]:
        yield _match_image(image["id"], ground_truth[image["id"]], detections[image["id"]], iou)


def _match_image(image_id: int, ground_truth: Sequence[Json], detections: Sequence[Json], iou: float) -> BoxMatches:
    detections = sorted(detections, key=lambda entry: -entry["score"])
    single = [entry for entry in ground_truth if not entry.get("iscrowd", 0)]
    crowds = [entry for entry in ground_truth if entry.get("iscrowd", 0)]
    boxes, category_ids = _boxes(detections), _category_ids(detections)
    indices = _greedy_matches(boxes, _boxes(single), iou)
    indices[(indices == UNMATCHED) & _in_crowd(boxes, category_ids, crowds, iou)] = IGNORED
    scores = np.array([entry["score"] for entry in detections], np.float64)
    return BoxMatches(
        image_id, _boxes(single), _category_ids(single), boxes, category_ids, scores, indices, _boxes(crowds)
    )


def _greedy_matches(boxes: Boxes, ground_truth: Boxes, iou: float) -> Ints:
    """Index of the ground truth of each detection; detections choose one after the other."""
    chosen = np.full(len(boxes), UNMATCHED, np.int64)
    free, remaining = np.ones(len(ground_truth), np.bool_), len(ground_truth)
    for rows in _blocks(len(boxes), len(ground_truth)):
        for row, values in enumerate(_overlaps(boxes[rows], ground_truth), rows.start):
            best = int(np.where(free, values, -1.0).argmax()) if remaining else UNMATCHED
            if best >= 0 and values[best] >= iou:
                chosen[row] = best
                free[best] = False
                remaining -= 1
    return chosen


def _in_crowd(boxes: Boxes, category_ids: Ints, crowds: Sequence[Json], iou: float) -> Mask:
    """Which detections are in a crowd of their class by at least that share of their own area, [M]."""
    crowd_boxes, crowd_ids = _boxes(crowds), _category_ids(crowds)
    inside = np.zeros(len(boxes), np.bool_)
    for rows in _blocks(len(boxes), len(crowds)):
        shares = _overlaps(boxes[rows], crowd_boxes, of_first=True)
        inside[rows] = ((shares >= iou) & (category_ids[rows, None] == crowd_ids)).any(axis=1)
    return inside


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    """Rows of a table, so few at a time that thousands of boxes in an image need little memory."""
    height = max(1, _MAX_PAIRS // max(1, columns))
    return (slice(start, min(rows, start + height)) for start in range(0, rows, height))


def _overlaps(first: Boxes, second: Boxes, *, of_first: bool = False) -> npt.NDArray[np.float64]:
    """Intersection over union [M, N], or over the area of the first box."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = np.prod(np.clip(bottom_right - top_left, 0, None), axis=-1)
    first_area, second_area = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (first, second))
    area = np.broadcast_to(first_area[:, None], intersection.shape)
    if not of_first:
        area = first_area[:, None] + second_area[None] - intersection
    share: npt.NDArray[np.float64] = np.divide(intersection, area, out=np.zeros_like(intersection), where=area > 0)
    return share


def _boxes(entries: Sequence[Json]) -> Boxes:
    boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _category_ids(entries: Sequence[Json]) -> Ints:
    return np.array([entry["category_id"] for entry in entries], np.int64)
