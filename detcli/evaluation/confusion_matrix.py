"""What is mistaken for what, counted over all images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.evaluation.box_matching import BoxMatches


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Counts of pairs.

    names   of the categories, by id; the row and column after the last is nothing at all
    counts  int64 [K + 1, K + 1]: the ground truth (row) against what it was taken for (column). The last column holds
            ground truth that were missed, the last row detections of nothing
    """

    names: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    @property
    def true_positives(self) -> int:
        """Truths found under their own name."""
        return int(np.trace(self.counts[:-1, :-1]))

    @property
    def misclassified(self) -> int:
        """Truths found under another name."""
        return int(self.counts[:-1, :-1].sum()) - self.true_positives

    @property
    def false_negatives(self) -> int:
        """Truths not found."""
        return int(self.counts[:-1, -1].sum())

    @property
    def false_positives(self) -> int:
        """Detections of nothing."""
        return int(self.counts[-1].sum())


def count_confusion(comparisons: Iterable[BoxMatches], categories: Mapping[int, str]) -> ConfusionMatrix:
    """Count over images; `categories` are names by id."""
    ids = np.array(sorted(categories), np.int64)
    nothing = len(ids)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    for image in comparisons:
        truth, found = np.searchsorted(ids, image.ground_truth_category_ids), np.searchsorted(ids, image.category_ids)
        on_one = image.ground_truth_index >= 0
        missed, false = truth[image.false_negatives], found[image.false_positives]
        np.add.at(counts, (truth[image.ground_truth_index[on_one]], found[on_one]), 1)
        np.add.at(counts, (missed, np.full_like(missed, nothing)), 1)
        np.add.at(counts, (np.full_like(false, nothing), false), 1)
    return ConfusionMatrix(tuple(categories[int(number)] for number in ids), counts)
