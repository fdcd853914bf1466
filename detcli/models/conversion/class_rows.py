"""Rows of class heads that are kept when a model is changed to other classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from detcli.structures.class_labels import plain_name

# (new row, old row) of a parameter.
RowPairs = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Classes:
    """Old and new classes of a model.

    old, new  number of classes
    same      (new index, old index) of classes with the same name
    """

    old: int
    new: int
    same: tuple[tuple[int, int], ...]

    @classmethod
    def matched(cls, old: Sequence[str], new: Sequence[str]) -> "Classes":
        """Match classes by name, in any case; of several old classes with one name, the first counts."""
        index_of: dict[str, int] = {}
        for index, name in enumerate(old):
            index_of.setdefault(plain_name(name), index)
        same = [(index, index_of[plain_name(name)]) for index, name in enumerate(new) if plain_name(name) in index_of]
        return cls(len(old), len(new), tuple(same))


def with_rows_of(fresh: Tensor, trained: Tensor, rows: RowPairs) -> Tensor:
    """A copy of a new parameter in which some rows are those of a trained one."""
    made = fresh.clone()
    made[[new for new, _ in rows]] = trained[[old for _, old in rows]].to(fresh.dtype)
    return made
