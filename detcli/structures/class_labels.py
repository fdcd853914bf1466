"""Class index <-> name <-> category id of the dataset a checkpoint was trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detcli.errors import UnknownClassError, UsageError
from detcli.structures.dataset_labels import DATASETS, dataset_of
from detcli.text import did_you_mean, similar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_NAMES_SHOWN = 12  # by an error

ClassValues = tuple[tuple[int, float], ...]  # a number for some class indices, in ascending order


@dataclass(frozen=True, slots=True)
class ClassLabels:
    """Names and category ids by class index.

    names         one per class, as in the checkpoint
    category_ids  one per class, as in the dataset
    stuff         class indices of uncountable classes (sky, grass): an image has one segment of each
    """

    names: tuple[str, ...]
    category_ids: tuple[int, ...]
    stuff: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if len(self.names) != len(self.category_ids):
            raise UsageError(
                f"there are {len(self.names)} `names` and {len(self.category_ids)} `category_ids`: one of each per class"
            )
        for name in self.names:
            if not isinstance(name, str):
                raise TypeError(f"`names` must hold texts, not {type(name).__name__}")

    @classmethod
    def from_names(cls, names: Sequence[str], dataset: str | None = None) -> "ClassLabels":
        """Set category ids and stuff: those of the published dataset with these names, else index + 1 and no stuff.

        dataset  a name in DATASETS, if it is known that the names are its classes, however they are spelled; ignored if
                 their number is another
        """
        if dataset is None or len(DATASETS[dataset].names) != len(names):
            dataset = dataset_of(names)
        if dataset is None:
            return cls(tuple(names), tuple(range(1, len(names) + 1)))
        known = DATASETS[dataset]
        return cls(tuple(names), known.category_ids, known.stuff)

    def __len__(self) -> int:
        return len(self.names)

    def find(self, names: Iterable[str]) -> tuple[int, ...]:
        """Return class indices for names (case-insensitive) or for indices as text; sorted, without duplicates.

        Raises UnknownClassError for an unknown name or index, with similar names.
        """
        by_name: dict[str, list[int]] = {}
        for index, name in enumerate(self.names):
            by_name.setdefault(name.casefold(), []).append(index)
        indices: set[int] = set()
        for item in (str(name).strip() for name in names):
            if item.casefold() in by_name:
                indices.update(by_name[item.casefold()])
            elif item.isascii() and item.isdigit() and int(item) < len(self.names):
                indices.add(int(item))
            else:
                raise UnknownClassError(self._unknown(item, by_name))
        return tuple(sorted(indices))

    def find_values(self, argument: str, values: Iterable[tuple[str, float]]) -> ClassValues:
        """Return the number of each class, for pairs of a name or an index as text, as `find` takes it, and a number.

        argument  what the numbers are, for messages

        Raises UnknownClassError for an unknown class, and UsageError for a class that has two numbers.
        """
        found: dict[int, float] = {}
        for name, value in values:
            for index in self.find([name]):
                if index in found:
                    raise UsageError(
                        f"`{argument}` has two values for the class '{self.names[index]}': {found[index]:g} and {value:g}"
                    )
                found[index] = value
        return tuple(sorted(found.items()))

    def _unknown(self, item: str, by_name: dict[str, list[int]]) -> str:
        names = [self.names[by_name[name][0]] for name in similar(item.casefold(), by_name)]
        few = ", ".join(self.names[:_NAMES_SHOWN])
        some = f"there are {len(self)}{': ' if len(self) <= _NAMES_SHOWN else ', such as '}{few}"
        hint = did_you_mean(names) or (some if self.names else "it has none")
        return f"the model has no class '{item}': {hint}"


def plain_name(name: str) -> str:
    """Return a class name in the form that is compared between models, data and results: case-folded and stripped."""
    return name.casefold().strip()


def values_of(class_ids: "npt.NDArray[np.int64]", usual: float, some: ClassValues) -> "npt.NDArray[np.float32]":
    """Return the number of each class index, float32 [N]: that of its class in `some`, else the usual one.

    In float32 as scores are: a score that is written like its threshold is not above it.
    """
    import numpy as np  # names are read without it

    values = np.full(len(class_ids), usual, np.float32)
    if some:
        known, of_known = np.array([index for index, _ in some]), np.array([value for _, value in some])
        places = np.minimum(np.searchsorted(known, class_ids), len(known) - 1)
        is_known = known[places] == class_ids
        values[is_known] = of_known[places[is_known]]
    return values
