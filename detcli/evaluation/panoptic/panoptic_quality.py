"""Panoptic quality: how well segments that share images out among them meet the true ones. Knows no file.

Source: Panoptic Segmentation (Kirillov et al. 2019), section 4; what is neither evaluated nor counted as in panopticapi.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle

_LEAST_IOU = 0.5  # above it a segment has one partner at most
_MOST_IGNORED = 0.5  # share of a segment that may lie on nothing, or on crowds of its kind, for it to be wrong


@dataclass(frozen=True, slots=True)
class SegmentTable:
    """The segments of one image; no two overlap.

    ids         int64 [H, W], the segment each pixel belongs to; 0: none
    categories  category id by segment id, of those that have a pixel
    crowds      segment ids of many things under one: neither to be found nor missed
    """

    ids: npt.NDArray[np.int64]
    categories: Mapping[int, int]
    crowds: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, masks: Sequence[Rle], category_ids: Sequence[int], crowd: Sequence[bool], size_hw: tuple[int, int]
    ) -> "SegmentTable":
        """Number masks from 1; a pixel of two belongs to the latter, and a mask without a pixel is left out."""
        ids = np.zeros(size_hw, np.int64)
        for number, mask in enumerate(masks, start=1):
            ids[mask.decode()] = number
        left = set(np.unique(ids).tolist()) - {0}
        return cls(
            ids,
            {number: category_ids[number - 1] for number in left},
            frozenset(number for number in left if crowd[number - 1]),
        )


@dataclass(frozen=True, slots=True)
class PanopticQuality:
    """PQ and its parts, 0 … 1: how well what was found fits (SQ), and how much was (RQ); None where there is nothing.

    classes  how many classes these are the means of
    """

    pq: float | None
    sq: float | None
    rq: float | None
    classes: int


@dataclass(slots=True)
class SegmentCounts:
    """Of one category: found rightly, with the sum of their IoUs; found wrongly; missed."""

    iou: float = 0.0
    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @property
    def quality(self) -> PanopticQuality | None:
        """None where there was nothing of the category, neither true nor found."""
        total = self.true_positives + 0.5 * self.false_positives + 0.5 * self.false_negatives
        if not total:
            return None
        fit = self.iou / self.true_positives if self.true_positives else 0.0
        return PanopticQuality(self.iou / total, fit, self.true_positives / total, 1)


@dataclass(slots=True)
class PanopticAccumulator:
    """Counts by category id, image after image."""

    counts: dict[int, SegmentCounts] = field(default_factory=dict)
    images: int = 0

    def add(self, ground_truth: SegmentTable, found: SegmentTable | None) -> None:
        """Take in an image; None where there is nothing to be had of it, and all is missed.

        Raises ValueError for segments of another size than the true ones.
        """
        self.images += 1
        found = found or SegmentTable(np.zeros_like(ground_truth.ids), {})
        if found.ids.shape != ground_truth.ids.shape:
            raise ValueError(f"segments of {found.ids.shape} do not belong to an image of {ground_truth.ids.shape}")
        shared = _shared(ground_truth.ids, found.ids)
        true_areas, found_areas = _areas(ground_truth.ids), _areas(found.ids)
        met: set[int] = set()
        taken: set[int] = set()
        for (true_id, found_id), pixels in shared.items():
            if (
                true_id not in ground_truth.categories
                or found_id not in found.categories
                or true_id in ground_truth.crowds
            ):
                continue
            category = ground_truth.categories[true_id]
            nobodys = shared.get((0, found_id), 0)
            iou = pixels / (true_areas[true_id] + found_areas[found_id] - pixels - nobodys)
            if found.categories[found_id] == category and iou > _LEAST_IOU:
                self._count(category).iou += iou
                self._count(category).true_positives += 1
                met.add(true_id)
                taken.add(found_id)
        for true_id, category in ground_truth.categories.items():
            self._count(category).false_negatives += true_id not in met and true_id not in ground_truth.crowds
        for found_id, category in found.categories.items():
            crowds = [one for one in ground_truth.crowds if ground_truth.categories[one] == category]
            ignored = sum(shared.get((one, found_id), 0) for one in (0, *crowds))
            self._count(category).false_positives += (
                found_id not in taken and ignored / found_areas[found_id] <= _MOST_IGNORED
            )

    def merge(self, other: "PanopticAccumulator") -> None:
        """Take in what another one counted."""
        self.images += other.images
        for category, count in other.counts.items():
            own = self._count(category)
            own.iou, own.true_positives = own.iou + count.iou, own.true_positives + count.true_positives
            own.false_positives, own.false_negatives = (
                own.false_positives + count.false_positives,
                own.false_negatives + count.false_negatives,
            )

    def mean(self, categories: Sequence[int]) -> PanopticQuality:
        """Means over those of the categories that there is anything of."""
        each = [
            one
            for one in (self.counts.get(category, SegmentCounts()).quality for category in categories)
            if one is not None
        ]
        if not each:
            return PanopticQuality(None, None, None, 0)
        pq, sq, rq = (float(np.mean([getattr(one, name) for one in each])) for name in ("pq", "sq", "rq"))
        return PanopticQuality(pq, sq, rq, len(each))

    def _count(self, category: int) -> SegmentCounts:
        return self.counts.setdefault(category, SegmentCounts())


def _areas(ids: npt.NDArray[np.int64]) -> dict[int, int]:
    values, counts = np.unique(ids, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _shared(ones: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> dict[tuple[int, int], int]:
    """How many pixels each two ids have in common."""
    step = int(others.max(initial=0)) + 1
    values, counts = np.unique(ones * step + others, return_counts=True)
    return {divmod(value, step): count for value, count in zip(values.tolist(), counts.tolist(), strict=True)}
