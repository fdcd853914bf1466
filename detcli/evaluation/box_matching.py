"""Box by box: which ground truth were found, which detections are right, mistaken for another class, or of nothing.

Unlike AP, which needs every score, this is what somebody sees who looks at detections above one score.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Json = Mapping[str, Any]
Boxes = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SCORE, IOU = 0.25, 0.5
UNMATCHED, IGNORED = -1, -2


@dataclass(frozen=True, slots=True)
class BoxMatches:
    """One image: ground truth and detections, and who belongs to whom.

    ground_truth_boxes      float64 [N, 4] left, top, right, bottom; crowds are not among them
    ground_truth_category_ids        int64 [N] category ids
    boxes            float64 [M, 4] detections, the best score first
    category_ids     int64 [M]
    scores           float64 [M]
    ground_truth_index         int64 [M] index of the ground truth that a detection lies on, UNMATCHED, or IGNORED where it lies in a crowd
    """

    image_id: int
    ground_truth_boxes: Boxes
    ground_truth_category_ids: Ints
    boxes: Boxes
    category_ids: Ints
    scores: npt.NDArray[np.float64]
    ground_truth_index: Ints

    @property
    def false_negatives(self) -> Mask:
        """Truths that no detection lies on, [N]."""
        missed = np.ones(len(self.ground_truth_category_ids), np.bool_)
        missed[self.ground_truth_index[self.ground_truth_index >= 0]] = False
        return missed

    @property
    def true_positives(self) -> Mask:
        """Detections on a truth of their class, [M]."""
        return self._on_a_truth(same=True)

    @property
    def misclassified(self) -> Mask:
        """Detections on a truth of another class, [M]."""
        return self._on_a_truth(same=False)

    @property
    def false_positives(self) -> Mask:
        """Detections of nothing, [M]."""
        of_nothing: Mask = self.ground_truth_index == UNMATCHED
        return of_nothing

    @property
    def mistakes(self) -> int:
        """How many truths are missed and detections wrong."""
        return int(self.false_negatives.sum() + self.misclassified.sum() + self.false_positives.sum())

    def _on_a_truth(self, *, same: bool) -> Mask:
        on_one = self.ground_truth_index >= 0
        alike = np.zeros(len(self.ground_truth_index), np.bool_)
        alike[on_one] = self.ground_truth_category_ids[self.ground_truth_index[on_one]] == self.category_ids[on_one]
        wanted: Mask = on_one & (alike == same)
        return wanted


def match_boxes(
    truth: Json, results: Iterable[Json], *, score: float = SCORE, iou: float = IOU
) -> Iterator[BoxMatches]:
    """Compare every image of the ground truth with the results that score above `score`, in the ground truth's order.

    Detections choose in the order of their scores: the ground truth nobody chose before that they overlap most, with at least
    `iou`, whatever its class. What then lies in a crowd of its class, by that share of its own area, is ignored.
    """
    ground_truth, found = defaultdict(list), defaultdict(list)
    for entry in truth["annotations"]:
        ground_truth[entry["image_id"]].append(entry)
    for entry in results:
        if entry["score"] > score:
            found[entry["image_id"]].append(entry)
    for image in truth["images"]:
        yield _match_boxes_of_image(image["id"], ground_truth[image["id"]], found[image["id"]], iou)


def _match_boxes_of_image(image_id: int, ground_truth: Sequence[Json], found: Sequence[Json], iou: float) -> BoxMatches:
    found = sorted(found, key=lambda entry: -entry["score"])
    single = [entry for entry in ground_truth if not entry.get("iscrowd", 0)]
    crowds = [entry for entry in ground_truth if entry.get("iscrowd", 0)]
    boxes, category_ids = _boxes(found), _category_ids(found)
    ground_truth_index = _chosen(_overlaps(boxes, _boxes(single)), iou)
    in_crowd = _overlaps(boxes, _boxes(crowds), of_first=True) >= iou
    in_crowd &= category_ids[:, None] == _category_ids(crowds)
    ground_truth_index[(ground_truth_index == UNMATCHED) & in_crowd.any(axis=1)] = IGNORED
    scores = np.array([entry["score"] for entry in found], np.float64)
    return BoxMatches(image_id, _boxes(single), _category_ids(single), boxes, category_ids, scores, ground_truth_index)


def _chosen(overlaps: npt.NDArray[np.float64], iou: float) -> Ints:
    """Ground truth of each detection by overlaps [M, N]; rows choose one after the other."""
    chosen = np.full(len(overlaps), UNMATCHED, np.int64)
    free = np.ones(overlaps.shape[1], np.bool_)
    for row, values in enumerate(overlaps):
        best = int(np.where(free, values, -1.0).argmax()) if free.any() else UNMATCHED
        if best >= 0 and values[best] >= iou:
            chosen[row] = best
            free[best] = False
    return chosen


def _overlaps(first: Boxes, second: Boxes, *, of_first: bool = False) -> npt.NDArray[np.float64]:
    """Intersection over union [M, N], or over the first one's own area."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(bottom_right - top_left, 0, None), axis=-1)
    first_area, second_area = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (first, second))
    whole = np.broadcast_to(first_area[:, None], shared.shape)
    if not of_first:
        whole = first_area[:, None] + second_area[None] - shared
    share: npt.NDArray[np.float64] = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return share


def _boxes(entries: Sequence[Json]) -> Boxes:
    boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _category_ids(entries: Sequence[Json]) -> Ints:
    return np.array([entry["category_id"] for entry in entries], np.int64)
