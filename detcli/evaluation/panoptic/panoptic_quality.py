"""Panoptic quality: how well segments, of which each pixel has at most one, match the ground truth.

Source: Panoptic Segmentation (Kirillov et al. 2019), section 4; ignored pixels and crowds as in panopticapi.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle

_MIN_IOU = 0.5  # above it, a segment has at most one match
_MAX_IGNORED = 0.5  # share of a false positive that may be on unlabeled pixels or on crowds of its category


@dataclass(frozen=True, slots=True)
class SegmentTable:
    """The segments of one image; no two overlap.

    ids         int64 [H, W], the segment each pixel belongs to; 0: none
    categories  category id by segment id, of segments with at least one pixel
    crowds      ids of segments that hold several objects: they are not evaluated
    """

    ids: npt.NDArray[np.int64]
    categories: Mapping[int, int]
    crowds: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, masks: Sequence[Rle], category_ids: Sequence[int], crowd: Sequence[bool], size_hw: tuple[int, int]
    ) -> "SegmentTable":
        """Number masks from 1; a pixel of two masks belongs to the later one, and masks without a pixel are left out."""
        ids = np.zeros(size_hw, np.int64)
        for number, mask in enumerate(masks, start=1):
            ids[mask.decode()] = number
        present = set(np.unique(ids).tolist()) - {0}
        return cls(
            ids,
            {number: category_ids[number - 1] for number in present},
            frozenset(number for number in present if crowd[number - 1]),
        )


@dataclass(frozen=True, slots=True)
class PanopticQuality:
    """PQ and its parts, 0 … 1: segmentation quality SQ and recognition quality RQ; None without segments.

    classes  number of classes that these are the means of
    """

    pq: float | None
    sq: float | None
    rq: float | None
    classes: int


@dataclass(slots=True)
class SegmentCounts:
    """Counts of one category.

    iou  sum of the IoUs of the true positives
    """

    iou: float = 0.0
    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @property
    def quality(self) -> PanopticQuality | None:
        """None if the category has neither ground truth nor predictions."""
        total = self.true_positives + 0.5 * self.false_positives + 0.5 * self.false_negatives
        if not total:
            return None
        mean_iou = self.iou / self.true_positives if self.true_positives else 0.0
        return PanopticQuality(self.iou / total, mean_iou, self.true_positives / total, 1)


@dataclass(slots=True)
class PanopticAccumulator:
    """Counts by category id, over images."""

    counts: dict[int, SegmentCounts] = field(default_factory=dict)
    images: int = 0

    def add(self, ground_truth: SegmentTable, predicted: SegmentTable | None) -> None:
        """Count an image; None if it has no prediction, so that all its segments are false negatives.

        Raises ValueError for segments of another size than the ground truth.
        """
        self.images += 1
        predicted = predicted or SegmentTable(np.zeros_like(ground_truth.ids), {})
        if predicted.ids.shape != ground_truth.ids.shape:
            raise ValueError(f"segments of {predicted.ids.shape} do not match an image of {ground_truth.ids.shape}")
        common = _common_pixels(ground_truth.ids, predicted.ids)
        predicted_areas = _areas(predicted.ids)
        matched, matched_predictions = self._count_matches(ground_truth, predicted, common, predicted_areas)
        for segment_id, category in ground_truth.categories.items():
            is_missed = segment_id not in matched and segment_id not in ground_truth.crowds
            self._of(category).false_negatives += is_missed
        for segment_id, category in predicted.categories.items():
            crowds = [crowd for crowd in ground_truth.crowds if ground_truth.categories[crowd] == category]
            ignored = sum(common.get((ignored_id, segment_id), 0) for ignored_id in (0, *crowds))
            is_counted = ignored / predicted_areas[segment_id] <= _MAX_IGNORED
            self._of(category).false_positives += segment_id not in matched_predictions and is_counted

    def _count_matches(
        self,
        ground_truth: SegmentTable,
        predicted: SegmentTable,
        common: Mapping[tuple[int, int], int],
        predicted_areas: Mapping[int, int],
    ) -> tuple[set[int], set[int]]:
        """Count true positives; returns the matched segment ids of both sides."""
        areas = _areas(ground_truth.ids)
        matched: set[int] = set()
        matched_predictions: set[int] = set()
        for (true_id, predicted_id), pixels in common.items():
            if true_id not in ground_truth.categories or true_id in ground_truth.crowds:
                continue
            category = ground_truth.categories[true_id]
            if predicted.categories.get(predicted_id) != category:
                continue
            unlabeled = common.get((0, predicted_id), 0)
            iou = pixels / (areas[true_id] + predicted_areas[predicted_id] - pixels - unlabeled)
            if iou > _MIN_IOU:
                counts = self._of(category)
                counts.iou += iou
                counts.true_positives += 1
                matched.add(true_id)
                matched_predictions.add(predicted_id)
        return matched, matched_predictions

    def merge(self, other: "PanopticAccumulator") -> None:
        """Add the counts of another one."""
        self.images += other.images
        for category, counts in other.counts.items():
            own = self._of(category)
            own.iou += counts.iou
            own.true_positives += counts.true_positives
            own.false_positives += counts.false_positives
            own.false_negatives += counts.false_negatives

    def mean(self, categories: Sequence[int]) -> PanopticQuality:
        """Means over those of the categories that have any segments."""
        qualities = [
            quality
            for quality in (self.counts.get(category, SegmentCounts()).quality for category in categories)
            if quality is not None
        ]
        if not qualities:
            return PanopticQuality(None, None, None, 0)
        pq, sq, rq = (float(np.mean([getattr(each, name) for each in qualities])) for name in ("pq", "sq", "rq"))
        return PanopticQuality(pq, sq, rq, len(qualities))

    def _of(self, category: int) -> SegmentCounts:
        return self.counts.setdefault(category, SegmentCounts())


def _areas(ids: npt.NDArray[np.int64]) -> dict[int, int]:
    values, counts = np.unique(ids, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _common_pixels(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> dict[tuple[int, int], int]:
    """Number of pixels that each pair of ids has in common."""
    step = int(second.max(initial=0)) + 1
    values, counts = np.unique(first * step + second, return_counts=True)
    return {divmod(value, step): count for value, count in zip(values.tolist(), counts.tolist(), strict=True)}
