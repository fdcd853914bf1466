"""Several datasets as one: images one after the other, classes united by their names."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.classes.class_changes import NO_CLASS, ChangedDataset, ClassChanges, changed_names, check_changes
from detcli.datasets.dataset import Dataset, DatasetSummary
from detcli.errors import DataError
from detcli.structures.class_labels import ClassLabels, plain_name
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.ground_truth import GroundTruth


def united(datasets: Sequence[Dataset], changes: ClassChanges, *, classes: Sequence[str] | None = None) -> Dataset:
    """One dataset of several, with changed classes.

    classes  class names by class index; None: the classes of the first dataset, then those that the next ones add

    Raises UsageError for changes of classes that are nowhere, and DataError if names differ only in their spelling, if a
    dataset has boxes of a class that is not among `classes`, or if no box is left.
    """
    if classes is None:
        check_changes(changes, datasets)
    names = [changed_names(dataset.labels, changes) for dataset in datasets]
    labels = _labels(datasets, names) if classes is None else _given_labels(datasets, names, classes)
    index_of = {name: index for index, name in reversed(list(enumerate(labels.names)))}
    folded = {plain_name(name): index for name, index in index_of.items()}
    changed = []
    for dataset, own in zip(datasets, names, strict=True):
        indices = [
            NO_CLASS if name is None else index_of.get(name, folded.get(plain_name(name), NO_CLASS)) for name in own
        ]
        changed.append(ChangedDataset(dataset, labels, np.array(indices, np.int64).reshape(-1)))
    if not any(dataset.report.boxes for dataset in changed):
        where = " + ".join(f"'{dataset.report.name}'" for dataset in changed)
        raise DataError(f"{where}: there is no box of the classes {', '.join(labels.names)}")
    return changed[0] if len(changed) == 1 else MergedDataset(changed)


def _labels(datasets: Sequence[Dataset], names: Sequence[Sequence[str | None]]) -> ClassLabels:
    """The classes of all datasets; a category id is that of the first dataset with the class, unless it is taken."""
    ids: dict[str, int] = {}
    stuff: set[str] = set()
    spelled: dict[str, tuple[str, str]] = {}
    for dataset, own in zip(datasets, names, strict=True):
        for index, name in enumerate(own):
            if name is None:
                continue
            known, where = spelled.setdefault(plain_name(name), (name, dataset.report.name))
            if known != name:
                raise DataError(
                    f"the classes '{known}' of '{where}' and '{name}' of '{dataset.report.name}' differ only in their "
                    f"spelling: make them one class with `map_classes` {name}={known}"
                )
            if index in dataset.labels.stuff:
                stuff.add(name)
            wanted = dataset.labels.category_ids[index]
            if name not in ids:
                ids[name] = wanted if wanted not in ids.values() else max(ids.values()) + 1
    order = list(ids)
    return ClassLabels(tuple(order), tuple(ids.values()), frozenset(order.index(name) for name in stuff))


def _given_labels(
    datasets: Sequence[Dataset], names: Sequence[Sequence[str | None]], classes: Sequence[str]
) -> ClassLabels:
    """The given classes, with category ids of the datasets. Raises DataError for boxes of a class that is not among them."""
    known = {plain_name(name) for name in classes}
    ids: dict[str, int] = {}
    for dataset, own in zip(datasets, names, strict=True):
        boxes_of = dataset.report.boxes_of
        for name, old, category_id in zip(own, dataset.labels.names, dataset.labels.category_ids, strict=True):
            if name is None:
                continue
            if plain_name(name) not in known and boxes_of.get(old, 0):
                raise DataError(
                    f"'{dataset.report.name}' has boxes of the class '{name}', which is not among the classes of the "
                    "training data"
                )
            if category_id not in ids.values():
                ids.setdefault(plain_name(name), category_id)
    free = max(ids.values(), default=0) + 1
    return ClassLabels(
        tuple(classes), tuple(ids.get(plain_name(name), free + index) for index, name in enumerate(classes))
    )


class MergedDataset:
    """Datasets with the same classes, one after the other.

    datasets  at least one
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self._datasets = list(datasets)
        self._ends = list(accumulate(len(dataset) for dataset in datasets))
        self._report = _summary([dataset.report for dataset in datasets])

    @property
    def labels(self) -> ClassLabels:
        """The classes."""
        return self._datasets[0].labels

    @property
    def report(self) -> DatasetSummary:
        """Counts of all datasets."""
        return self._report

    def __len__(self) -> int:
        return self._ends[-1]

    def origin(self, index: int) -> Origin:
        """The names of the image."""
        dataset, inner = self._at(index)
        return replace(dataset.origin(inner), index=index)

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        """The image."""
        dataset, inner = self._at(index)
        frame = dataset.read(inner, resize)
        return replace(frame, origin=replace(frame.origin, index=index))

    def stored_bytes(self, index: int) -> bytes | None:
        """The bytes of an image file that is in another file."""
        dataset, inner = self._at(index)
        return dataset.stored_bytes(inner)

    def size_hw(self, index: int) -> tuple[int, int] | None:
        """Height and width of the image."""
        dataset, inner = self._at(index)
        return dataset.size_hw(inner)

    def ground_truth(self, index: int) -> GroundTruth:
        """The ground truth of the image."""
        dataset, inner = self._at(index)
        return dataset.ground_truth(inner)

    def box_classes(self, index: int, *, crowds: bool = False) -> npt.NDArray[np.int64]:
        """The class id of each box of the image, with crowds or without."""
        dataset, inner = self._at(index)
        return dataset.box_classes(inner, crowds=crowds)

    def image_id(self, index: int) -> int:
        """The id of the image: its position from 1, since datasets have the same ids."""
        return index + 1

    def annotations(self) -> dict[str, Any]:
        """The ground truth as COCO annotations, with ids of their own."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        start = 0
        for dataset in self._datasets:
            document = dataset.annotations()
            ids = {dataset.image_id(index): start + index + 1 for index in range(len(dataset))}
            images += [{**entry, "id": ids[entry["id"]]} for entry in document["images"]]
            for entry in document["annotations"]:
                annotations.append({**entry, "id": len(annotations) + 1, "image_id": ids[entry["image_id"]]})
            start += len(dataset)
        return {
            "info": {"description": f"Ground truth of {self._report.name}"},
            "images": images,
            "annotations": annotations,
            "categories": document["categories"],
        }

    def _at(self, index: int) -> tuple[Dataset, int]:
        number = bisect_right(self._ends, index)
        return self._datasets[number], index - (self._ends[number - 1] if number else 0)


def _summary(reports: Sequence[DatasetSummary]) -> DatasetSummary:
    boxes_of: dict[str, int] = {}
    for report in reports:
        for name, count in report.boxes_of.items():
            boxes_of[name] = boxes_of.get(name, 0) + count
    folders = [folder for report in reports for folder in report.image_folders]
    return DatasetSummary(
        name=" + ".join(report.name for report in reports),
        images=sum(report.images for report in reports),
        boxes=sum(report.boxes for report in reports),
        boxes_of=boxes_of,
        empty=sum(report.empty for report in reports),
        crowd=sum(report.crowd for report in reports),
        issues=tuple(f"'{report.name}': {issue}" for report in reports for issue in report.issues),
        annotations="', '".join(dict.fromkeys(report.annotations for report in reports if report.annotations)),
        image_folders=tuple(dict.fromkeys(folders)),
        segment_folder="', '".join(dict.fromkeys(r.segment_folder for r in reports if r.segment_folder)),
        details=tuple(
            replace(issue, message=f"'{report.name}': {issue.message}")
            for report in reports
            for issue in report.details
        ),
    )
