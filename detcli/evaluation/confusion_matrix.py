"""What is mistaken for what, counted over all pictures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.evaluation.box_matching import Comparison


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of pairs.

    names   of the categories, by id; the row and column after the last is nothing at all
    counts  int64 [K + 1, K + 1]: what is true (row) against what it was taken for (column). The last column holds
            truths that were missed, the last row detections of nothing
    """

    names: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    @property
    def found(self) -> int:
        """Truths found under their own name."""
        return int(np.trace(self.counts[:-1, :-1]))

    @property
    def confused(self) -> int:
        """Truths found under another name."""
        return int(self.counts[:-1, :-1].sum()) - self.found

    @property
    def missed(self) -> int:
        """Truths not found."""
        return int(self.counts[:-1, -1].sum())

    @property
    def false(self) -> int:
        """Detections of nothing."""
        return int(self.counts[-1].sum())


def confusion(comparisons: Iterable[Comparison], categories: Mapping[int, str]) -> Confusion:
    """Count over pictures; `categories` are names by id."""
    ids = np.array(sorted(categories), np.int64)
    nothing = len(ids)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    for picture in comparisons:
        truth, found = np.searchsorted(ids, picture.truth_ids), np.searchsorted(ids, picture.category_ids)
        on_one = picture.truth_of >= 0
        missed, false = truth[picture.missed], found[picture.false]
        np.add.at(counts, (truth[picture.truth_of[on_one]], found[on_one]), 1)
        np.add.at(counts, (missed, np.full_like(missed, nothing)), 1)
        np.add.at(counts, (np.full_like(false, nothing), false), 1)
    return Confusion(tuple(categories[int(number)] for number in ids), counts)
