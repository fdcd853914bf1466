"""Matches detections with ground truth of their own class, image by image, by the rules of COCO.

The matches of each image are kept, so that AP of any images, each counted any number of times, follows without new
matching: the bootstrap and AP by size of the images need that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.analysis.overlaps import pair_overlaps
from detcli.evaluation.coco_library import IouType
from detcli.evaluation.coco_metrics import IOUS

Json = Mapping[str, Any]
Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MAX_DETECTIONS = 100  # of a class in an image, as in COCO's AP
_IOUS = np.minimum(IOUS, 1 - 1e-10)  # as COCO compares them


@dataclass(frozen=True, slots=True)
class ClassMatches:
    """The detections of all images, sorted by class, then by score, the highest first.

    image_ids, category_ids  int64 [I] and [C], ascending; the other fields have indices into them
    image, category          int64 [N]
    scores                   float64 [N]
    matched                  bool [N, 10]: the detection matches ground truth at the IoUs 0.50 … 0.95
    ignored                  bool [N, 10]: it is in a crowd, and counts neither as true nor as false
    truth_image, truth_category  int64 [G] of the ground truth, without crowds
    """

    image_ids: Ints
    category_ids: Ints
    image: Ints
    category: Ints
    scores: Array
    matched: Mask
    ignored: Mask
    truth_image: Ints
    truth_category: Ints

    def classes(self) -> Iterator[tuple[int, slice]]:
        """Index of each class with ground truth, and its detections."""
        starts = np.searchsorted(self.category, np.arange(len(self.category_ids) + 1))
        for index in np.unique(self.truth_category).tolist():
            yield index, slice(int(starts[index]), int(starts[index + 1]))

    def truth_counts(self, category: int) -> Ints:
        """Number of ground-truth objects of a class in each image, int64 [I]."""
        images = self.truth_image[self.truth_category == category]
        return np.bincount(images, minlength=len(self.image_ids)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Entries:
    """Ground truth or detections as arrays, sorted by image, class and then by rank."""

    entries: Sequence[Json]
    order: Ints
    image: Ints
    category: Ints

    def groups(self, classes: int) -> dict[int, slice]:
        """The rows of each image and class, by `image * classes + category`."""
        keys, starts, counts = np.unique(self.image * classes + self.category, return_index=True, return_counts=True)
        return {
            key: slice(start, start + count)
            for key, start, count in zip(keys.tolist(), starts.tolist(), counts.tolist(), strict=True)
        }

    def rows(self, rows: slice) -> list[Json]:
        """The entries of some rows."""
        return [self.entries[index] for index in self.order[rows].tolist()]


def match_classes(annotations: Json, results: Sequence[Json], *, iou_type: IouType = "bbox") -> ClassMatches:
    """Match results with annotations of the same image and class, as `evaluate_coco` takes both."""
    image_ids = np.array(sorted(image["id"] for image in annotations["images"]), np.int64)
    category_ids = np.array(sorted(category["id"] for category in annotations["categories"]), np.int64)
    truth = annotations["annotations"]
    crowd = np.array([bool(entry.get("iscrowd", 0)) for entry in truth], np.bool_)
    all_scores = np.array([entry["score"] for entry in results], np.float64)
    expected = _sorted_entries(truth, crowd.astype(np.float64), image_ids, category_ids)
    found = _limited(_sorted_entries(results, -all_scores, image_ids, category_ids))
    matched, ignored = (np.zeros((len(found.order), len(IOUS)), np.bool_) for _ in range(2))
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in annotations["images"]}
    groups = found.groups(len(category_ids))
    for key, rows in expected.groups(len(category_ids)).items():
        detections = groups.get(key)
        if detections is not None:
            entries = expected.rows(rows)
            size_hw = sizes[entries[0]["image_id"]]
            crowds = crowd[expected.order[rows]]
            overlaps = pair_overlaps(found.rows(detections), entries, crowds, iou_type=iou_type, size_hw=size_hw)
            matched[detections], ignored[detections] = _greedy_matches(overlaps, crowds)
    scores = all_scores[found.order]
    order = np.lexsort((-scores, found.category))  # stable: of equal scores, the first image first
    single = ~crowd[expected.order]
    return ClassMatches(
        image_ids,
        category_ids,
        found.image[order],
        found.category[order],
        scores[order],
        matched[order],
        ignored[order],
        expected.image[single],
        expected.category[single],
    )


def _sorted_entries(entries: Sequence[Json], rank: Array, image_ids: Ints, category_ids: Ints) -> _Entries:
    image = np.searchsorted(image_ids, np.array([entry["image_id"] for entry in entries], np.int64))
    category = np.searchsorted(category_ids, np.array([entry["category_id"] for entry in entries], np.int64))
    order = np.lexsort((rank, category, image))
    return _Entries(entries, order, image[order], category[order])


def _limited(found: _Entries) -> _Entries:
    """The first 100 detections of each class in an image."""
    starts = np.flatnonzero(
        np.r_[True, (np.diff(found.image) != 0) | (np.diff(found.category) != 0)] if len(found.order) else []
    )
    position = np.arange(len(found.order))
    rank = position - np.repeat(starts, np.diff(np.r_[starts, len(found.order)]))
    kept = rank < MAX_DETECTIONS
    return _Entries(found.entries, found.order[kept], found.image[kept], found.category[kept])


def _greedy_matches(overlaps: Array, crowds: Mask) -> tuple[Mask, Mask]:
    """Which detections match, and which are ignored, bool [M, 10] each.

    overlaps  [M, G] of detections, sorted by score, with ground truth, crowds last
    """
    single, in_crowd = overlaps[:, ~crowds], overlaps[:, crowds].max(axis=1, initial=0.0)
    matched = np.zeros((len(overlaps), len(_IOUS)), np.bool_)
    free = np.ones((len(_IOUS), single.shape[1]), np.bool_)
    levels = np.arange(len(_IOUS))
    for row in np.flatnonzero(single.max(axis=1, initial=0.0) >= _IOUS[0]).tolist():
        values = np.where(free, single[row], -1.0)
        best = values.shape[1] - 1 - values[:, ::-1].argmax(axis=1)  # of equal overlaps COCO takes the last
        matches = values[levels, best] >= _IOUS
        free[levels[matches], best[matches]] = False
        matched[row] = matches
    return matched, ~matched & (in_crowd[:, None] >= _IOUS)
