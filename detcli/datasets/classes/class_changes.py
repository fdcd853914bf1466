"""A dataset with other classes: some renamed, united or left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.dataset import Dataset, DatasetSummary
from detcli.errors import UnknownClassError, UsageError
from detcli.io.coco.coco_writer import coco_categories
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.ground_truth import GroundTruth

NO_CLASS = -1
_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassChanges:
    """How the classes of a dataset are changed.

    renamed  name of a class -> its new name; classes with one name become one class
    kept     names of the classes that stay, after renaming; boxes of others are left out. None: all
    """

    renamed: Mapping[str, str]
    kept: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.renamed) or self.kept is not None


def changed_names(labels: ClassLabels, changes: ClassChanges) -> list[str | None]:
    """The new name of each class; None: it is left out. Names that the dataset does not have are ignored."""
    renamed = {}
    for old, new in changes.renamed.items():
        for index in _find(labels, old):
            renamed[index] = new
    names = [renamed.get(index, name) for index, name in enumerate(labels.names)]
    if changes.kept is None:
        return list(names)
    kept = {name.casefold() for name in changes.kept}
    return [name if name.casefold() in kept else None for name in names]


def check_changes(changes: ClassChanges, datasets: Sequence[Dataset]) -> None:
    """Raise UsageError for a class to rename, or to keep, that no dataset has."""
    labels = [dataset.labels for dataset in datasets]
    every = ClassLabels.from_names(list(dict.fromkeys(name for own in labels for name in own.names)))
    for old, new in changes.renamed.items():
        if not new.strip():
            raise UsageError(
                f"`map_classes` gives the class '{old}' no new name; to leave a class out, name the others in `train_classes`"
            )
        if not any(_find(own, old) for own in labels):
            _raise_unknown("map_classes", old, every)
    if changes.kept is None:
        return
    names = [name for own in labels for name in changed_names(own, replace(changes, kept=None)) if name is not None]
    renamed = ClassLabels.from_names(list(dict.fromkeys(names)))
    for name in changes.kept:
        if not _find(renamed, name):
            _raise_unknown("train_classes", name, renamed)


def _find(labels: ClassLabels, name: str) -> list[int]:
    folded = name.strip().casefold()
    return [index for index, own in enumerate(labels.names) if own.casefold() == folded]


def _raise_unknown(argument: str, name: str, labels: ClassLabels) -> None:
    try:
        labels.find([name if not name.isdigit() else f"{name} "])
    except UnknownClassError as error:
        raise UsageError(f"`{argument}`: {error}") from error
    raise UsageError(f"`{argument}`: the data has no class '{name}'; classes are named, not numbered")


class ChangedDataset:
    """A dataset whose classes are those of other labels.

    dataset  the dataset
    labels   the new classes
    indices  int64 [len(dataset.labels)], class index among `labels` of each class; NO_CLASS: its boxes are left out
    """

    def __init__(self, dataset: Dataset, labels: ClassLabels, indices: _Indices) -> None:
        self._dataset, self._labels, self._indices = dataset, labels, indices
        self._leaves_out = bool((indices == NO_CLASS).any())
        self._report = self._summary()

    @property
    def labels(self) -> ClassLabels:
        """The new classes."""
        return self._labels

    @property
    def report(self) -> DatasetSummary:
        """Counts of what is left."""
        return self._report

    def __len__(self) -> int:
        return len(self._dataset)

    def origin(self, index: int) -> Origin:
        """The names of the image, as of the dataset."""
        return self._dataset.origin(index)

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        """The image, as of the dataset."""
        return self._dataset.read(index, resize)

    def stored_bytes(self, index: int) -> bytes | None:
        """The bytes of an image file that is in another file, as of the dataset."""
        return self._dataset.stored_bytes(index)

    def size_hw(self, index: int) -> tuple[int, int] | None:
        """Height and width of the image, as of the dataset."""
        return self._dataset.size_hw(index)

    def ground_truth(self, index: int) -> GroundTruth:
        """The boxes of the classes that are left, with their new class indices."""
        found = self._dataset.ground_truth(index)
        class_ids = self._indices[found.class_ids]
        found = replace(found, class_ids=class_ids)
        return found[class_ids != NO_CLASS] if self._leaves_out else found

    def box_classes(self, index: int, *, crowds: bool = False) -> npt.NDArray[np.int64]:
        """The new class id of each box of the classes that are left, with crowds or without."""
        class_ids = self._indices[self._dataset.box_classes(index, crowds=crowds)]
        left: _Indices = class_ids[class_ids != NO_CLASS]
        return left

    def image_id(self, index: int) -> int:
        """The id of the image, as of the dataset."""
        return self._dataset.image_id(index)

    def annotations(self) -> dict[str, Any]:
        """The ground truth as COCO annotations."""
        document = self._dataset.annotations()
        old = {category_id: index for index, category_id in enumerate(self._dataset.labels.category_ids)}
        entries = []
        for entry in document["annotations"]:
            index = int(self._indices[old[entry["category_id"]]])
            if index != NO_CLASS:
                entries.append({**entry, "category_id": self._labels.category_ids[index]})
        return {**document, "annotations": entries, "categories": coco_categories(self._labels)}

    def _summary(self) -> DatasetSummary:
        own = self._dataset.report
        boxes_of = dict.fromkeys(self._labels.names, 0)
        index_of = dict(zip(self._dataset.labels.names, self._indices.tolist(), strict=True))  # a name counts once
        for name, index in index_of.items():
            if index != NO_CLASS:
                boxes_of[self._labels.names[index]] += own.boxes_of.get(name, 0)
        boxes, empty, crowd = sum(boxes_of.values()), own.empty, own.crowd
        if self._leaves_out:
            counts = [len(self.box_classes(index, crowds=True)) for index in range(len(self))]
            empty = counts.count(0)
            crowd = sum(counts) - sum(len(self.box_classes(index)) for index in range(len(self))) if crowd else 0
        return replace(own, boxes=boxes, boxes_of=boxes_of, empty=empty, crowd=crowd)
