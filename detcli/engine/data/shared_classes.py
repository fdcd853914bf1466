"""The classes of the parts of a dataset as one list, united by their names."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from detcli.inspection.findings import DataPart
from detcli.structures.class_labels import ClassLabels, plain_name
from detcli.structures.ground_truth import GroundTruth


class SharedClasses:
    """Classes of the first part in their order, then those that the next ones add.

    labels  names and category ids; the id of a class is that of the first part that has it, unless it is taken
    """

    def __init__(self, parts: Sequence[DataPart]) -> None:
        names: list[str] = []
        ids: list[int] = []
        places: dict[str, int] = {}
        self._indices = {}
        for part in parts:
            own = part.dataset.labels
            seen: set[int] = set()
            indices = []
            for name, category_id in zip(own.names, own.category_ids, strict=True):
                place = places.get(plain_name(name), len(names))
                if place in seen or place == len(names):  # a class of this part with the name of another one is its own
                    place = len(names)
                    names.append(name)
                    ids.append(category_id if category_id not in ids else max(ids) + 1)
                    places.setdefault(plain_name(name), place)
                seen.add(place)
                indices.append(place)
            self._indices[part.name] = np.array(indices, np.int64).reshape(-1)
        self.labels = ClassLabels(tuple(names), tuple(ids))

    def indices(self, part: DataPart) -> npt.NDArray[np.int64]:
        """The index among the shared classes of each class of a part."""
        return self._indices[part.name]

    def ground_truth(self, part: DataPart, index: int) -> GroundTruth:
        """The ground truth of an image, with the shared class indices. Raises ImageError if its masks cannot be read."""
        own = part.dataset.ground_truth(index)
        return replace(own, class_ids=self._indices[part.name][own.class_ids])
