"""Which classes are confused with which, counted over all images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.evaluation.box_matching import BoxMatches

Counts = npt.NDArray[np.int64]

MAX_TABLE_CLASSES = 1000  # a table of 20,000 classes has 400 million cells, of which nearly all are 0


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Counts of pairs of a true and a predicted class; it needs memory only for pairs that occur.

    names  of the K categories, by id; the row and column after the last are background
    cells  int64 [N, 3]: ground truth (row), prediction (column) and count of each pair that occurs, by row, then column.
           Column K holds false negatives, row K false positives
    """

    names: tuple[str, ...]
    cells: Counts

    @classmethod
    def from_table(cls, names: Sequence[str], counts: Counts) -> "ConfusionMatrix":
        """The matrix of a complete table [K + 1, K + 1]."""
        rows, columns = np.nonzero(counts)
        return cls(tuple(names), np.stack((rows, columns, counts[rows, columns]), axis=1).astype(np.int64))

    @property
    def counts(self) -> Counts:
        """The complete table, int64 [K + 1, K + 1]; for up to MAX_TABLE_CLASSES classes, others raise ValueError."""
        if len(self.names) > MAX_TABLE_CLASSES:
            raise ValueError(f"a table of {len(self.names):,} classes is too large: the limit is {MAX_TABLE_CLASSES:,}")
        return self.table(range(len(self.names)))

    def table(self, classes: Sequence[int]) -> Counts:
        """The table of some classes and the background, int64 [C + 1, C + 1]; `classes` are indices, ascending."""
        shown = np.array([*classes, len(self.names)], np.int64)
        row, column = (np.searchsorted(shown, self.cells[:, side]).clip(max=len(shown) - 1) for side in (0, 1))
        known = (shown[row] == self.cells[:, 0]) & (shown[column] == self.cells[:, 1])
        table = np.zeros((len(shown), len(shown)), np.int64)
        table[row[known], column[known]] = self.cells[known, 2]
        return table

    def totals(self) -> tuple[Counts, Counts]:
        """The sum of each row, and of each column, int64 [K + 1] each."""
        return self._sums(0, self.cells), self._sums(1, self.cells)

    @property
    def missed(self) -> Counts:
        """False negatives of each class, int64 [K]."""
        return self._sums(0, self.cells[self.cells[:, 1] == len(self.names)])[:-1]

    @property
    def unexpected(self) -> Counts:
        """False positives of each class, int64 [K]."""
        return self._sums(1, self.cells[self.cells[:, 0] == len(self.names)])[:-1]

    @property
    def confused(self) -> Counts:
        """The cells [M, 3] of two different classes."""
        is_confused = (self.cells[:, 0] != self.cells[:, 1]) & (self.cells[:, :2] < len(self.names)).all(axis=1)
        confused: Counts = self.cells[is_confused]
        return confused

    @property
    def true_positives(self) -> int:
        """Ground truth detected with its own class."""
        return int(self.cells[self.cells[:, 0] == self.cells[:, 1], 2].sum())

    @property
    def misclassified(self) -> int:
        """Ground truth detected with another class."""
        return int(self.confused[:, 2].sum())

    @property
    def false_negatives(self) -> int:
        """Ground truth that was not detected."""
        return int(self.missed.sum())

    @property
    def false_positives(self) -> int:
        """Detections without ground truth."""
        return int(self.unexpected.sum())

    def _sums(self, side: int, cells: Counts) -> Counts:
        sums = np.zeros(len(self.names) + 1, np.int64)
        np.add.at(sums, cells[:, side], cells[:, 2])
        return sums


def count_confusion(images: Iterable[BoxMatches], categories: Mapping[int, str]) -> ConfusionMatrix:
    """Count over images; `categories` are names by id."""
    ids = np.array(sorted(categories), np.int64)
    background = len(ids)
    pairs = [np.zeros((0, 2), np.int64)]
    for image in images:
        expected = np.searchsorted(ids, image.ground_truth_category_ids)
        predicted = np.searchsorted(ids, image.category_ids)
        is_matched = image.ground_truth_index >= 0
        missed, extra = expected[image.false_negatives], predicted[image.false_positives]
        matched = (expected[image.ground_truth_index[is_matched]], predicted[is_matched])
        pairs += [
            np.stack(columns, axis=1)
            for columns in (
                matched,
                (missed, np.full_like(missed, background)),
                (np.full_like(extra, background), extra),
            )
        ]
    keys, numbers = np.unique(np.concatenate(pairs) @ (background + 1, 1), return_counts=True)
    cells = np.divmod(keys, background + 1)
    names = tuple(categories[int(category_id)] for category_id in ids)
    return ConfusionMatrix(names, np.column_stack((*cells, numbers)).astype(np.int64))
