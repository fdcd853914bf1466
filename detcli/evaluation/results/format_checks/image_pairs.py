"""Counts how much ground truth matches results, as they are read or in another format."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_formats import COCO, BoxFormat
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, sides_of

Boxes = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Json = Mapping[str, Any]
_Item = TypeVar("_Item")

_MAX_IMAGES = 300  # with ground truth and results, which are compared; a second or two
_MAX_TRUE_BOXES, _MAX_BOXES = 300, 4000  # of each of these images: ground truth, and results of the same categories
_MIN_GAIN, _MIN_RATIO, _MIN_MATCHES = 0.2, 3, 5
_IOU, _EXACT_IOU, _MIN_EXACT = 0.5, 0.85, 2
_MAX_SCALED_TRUE, _MAX_SCALED = 50, 1000  # boxes of each of these images: ground truth, and results


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Ground truth and the results with the highest scores of one image."""

    sides_wh: Boxes  # [1, 2]
    true_boxes: Boxes  # xywh [N, 4]
    true_categories: Ints
    boxes: Boxes  # xywh [M, 4]
    categories: Ints


@dataclass(frozen=True, slots=True)
class FormatMatches:
    """How many boxes of the ground truth are matched: from an IoU of 0.5, and almost exactly."""

    count: int
    exact: int
    total: int

    def far_more_than(self, other: "FormatMatches") -> bool:
        """Whether these are more than chance explains, and the others are not."""
        gain = self.count - other.count
        if gain < _MIN_GAIN * self.total or self.count < _MIN_RATIO * other.count:
            return False
        few_but_exact = self.exact >= _MIN_EXACT and self.exact >= self.total / 2 and not other.count
        return self.count >= _MIN_MATCHES or few_but_exact


def image_pairs(
    results: Sequence[Json], ground_truth: CocoGroundTruth, sizes: Mapping[int, tuple[Any, Any]]
) -> list[ImagePair]:
    """Evenly spaced images that have both; of the results twice as many as ground truth, those with the highest scores.

    Of an image with very many boxes, ground truth is evenly spaced too, with the results of its categories.
    """
    expected, found = defaultdict(list), defaultdict(list)
    for entry in ground_truth.annotations["annotations"]:
        if not entry.get("iscrowd", 0):
            expected[entry["image_id"]].append(entry)
    for entry in results:
        found[entry["image_id"]].append(entry)
    common = [image_id for image_id in expected if image_id in found]
    pairs = []
    for image_id in evenly(common, _MAX_IMAGES):
        best = sorted(found[image_id], key=lambda entry: -entry["score"])[: 2 * len(expected[image_id])]
        sides = sides_of([best[0]], sizes)
        both = _limited(expected[image_id], best)
        pairs.append(ImagePair(sides, *(column for entries in both for column in _columns(entries))))
    return pairs


def _limited(expected: Sequence[Json], best: Sequence[Json]) -> tuple[Sequence[Json], Sequence[Json]]:
    """So much ground truth of an image that all formats can be tried, and the results that can match it."""
    if len(expected) <= _MAX_TRUE_BOXES:
        return expected, best[:_MAX_BOXES]
    expected = [expected[index * len(expected) // _MAX_TRUE_BOXES] for index in range(_MAX_TRUE_BOXES)]
    categories = {entry["category_id"] for entry in expected}
    return expected, [entry for entry in best if entry["category_id"] in categories][:_MAX_BOXES]


def trimmed(pair: ImagePair) -> ImagePair:
    """An image of many boxes with so few that many sizes can be tried."""
    true_boxes, true_categories = pair.true_boxes[:_MAX_SCALED_TRUE], pair.true_categories[:_MAX_SCALED_TRUE]
    return ImagePair(
        pair.sides_wh, true_boxes, true_categories, pair.boxes[:_MAX_SCALED], pair.categories[:_MAX_SCALED]
    )


def evenly(items: Sequence[_Item], count: int) -> list[_Item]:
    """At most so many of the items, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(items) - 1, min(len(items), count)).astype(int))
    return [items[index] for index in chosen.tolist()]


def _columns(entries: Sequence[Json]) -> tuple[Any, Any]:
    boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
    return boxes, np.array([entry["category_id"] for entry in entries], np.int64)


def count_matches(
    pairs: Sequence[ImagePair],
    *,
    results_as: tuple[BoxFormat, BoxFormat] = (COCO, COCO),
    truth_as: BoxFormat = COCO,
    any_category: bool = False,
) -> FormatMatches:
    """Matches if results that were written in the first format are read in the second, and the ground truth in another.

    any_category  boxes of different categories match, too
    """
    count = exact = total = 0
    for pair in pairs:
        with np.errstate(invalid="ignore", over="ignore"):  # fractions of images of unknown size
            boxes = COCO.to_xyxy(pair.boxes, pair.sides_wh)
            if results_as[0] != results_as[1]:
                boxes = _reread(boxes, *results_as, pair.sides_wh)
            overlaps = _overlaps(truth_as.to_xyxy(pair.true_boxes, pair.sides_wh), boxes)
        if not any_category:
            overlaps[pair.true_categories[:, None] != pair.categories] = 0
        best = _one_to_one(overlaps)
        count, exact, total = (
            count + int((best >= _IOU).sum()),
            exact + int((best >= _EXACT_IOU).sum()),
            total + len(best),
        )
    return FormatMatches(count, exact, total)


def _reread(boxes_xyxy: Boxes, written: BoxFormat, other: BoxFormat, sides_wh: Boxes) -> Boxes:
    """Boxes whose numbers were read in the format `written`, if they are read in another one."""
    return other.to_xyxy(written.from_xyxy(boxes_xyxy, sides_wh), sides_wh)


def _one_to_one(overlaps: Boxes) -> Boxes:
    """The IoU of each box of the ground truth, [N], with the result that is assigned to it."""
    best = np.zeros(len(overlaps))
    if not overlaps.size:  # of an image with very many boxes, no result has a category of those that are compared
        return best
    for index in np.argsort(-overlaps.max(axis=1, initial=0)).tolist():
        result = int(overlaps[index].argmax())
        best[index] = overlaps[index, result]
        overlaps[:, result] = np.where(np.arange(len(overlaps)) == index, overlaps[:, result], 0)
    return best


def _overlaps(first: Boxes, second: Boxes) -> Boxes:
    """IoU [N, M] of boxes xyxy; 0 for boxes without a size, and where a number is not finite."""
    start = np.maximum(first[:, None, :2], second[None, :, :2])
    end = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(end - start, 0, None).prod(axis=-1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1] - shared
    valid = (union > 0) & np.isfinite(union)
    overlaps: Boxes = np.divide(shared, union, out=np.zeros_like(union), where=valid)
    return overlaps


def share_of(matches: FormatMatches) -> str:
    """The count in words: `3 of 12`."""
    return f"{matches.count:,} of {matches.total:,}"
