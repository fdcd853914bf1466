"""Which classes are confused with which, counted over all images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.evaluation.box_matching import BoxMatches


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Counts of pairs of a true and a predicted class.

    names   of the categories, by id; the row and column after the last are background
    counts  int64 [K + 1, K + 1]: ground truth (row) by prediction (column). The last column holds false negatives, the
            last row false positives
    """

    names: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    @property
    def true_positives(self) -> int:
        """Ground truth detected with its own class."""
        return int(np.trace(self.counts[:-1, :-1]))

    @property
    def misclassified(self) -> int:
        """Ground truth detected with another class."""
        return int(self.counts[:-1, :-1].sum()) - self.true_positives

    @property
    def false_negatives(self) -> int:
        """Ground truth that was not detected."""
        return int(self.counts[:-1, -1].sum())

    @property
    def false_positives(self) -> int:
        """Detections without ground truth."""
        return int(self.counts[-1].sum())


def count_confusion(images: Iterable[BoxMatches], categories: Mapping[int, str]) -> ConfusionMatrix:
    """Count over images; `categories` are names by id."""
    ids = np.array(sorted(categories), np.int64)
    background = len(ids)
    counts = np.zeros((background + 1, background + 1), np.int64)
    for image in images:
        expected = np.searchsorted(ids, image.ground_truth_category_ids)
        predicted = np.searchsorted(ids, image.category_ids)
        is_matched = image.ground_truth_index >= 0
        missed, extra = expected[image.false_negatives], predicted[image.false_positives]
        np.add.at(counts, (expected[image.ground_truth_index[is_matched]], predicted[is_matched]), 1)
        np.add.at(counts, (missed, np.full_like(missed, background)), 1)
        np.add.at(counts, (np.full_like(extra, background), extra), 1)
    return ConfusionMatrix(tuple(categories[int(category_id)] for category_id in ids), counts)
