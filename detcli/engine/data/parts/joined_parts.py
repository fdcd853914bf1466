"""The parts of a dataset as one: images one after the other, classes united by their names, and one COCO document."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from detcli.datasets.classes.class_changes import ChangedDataset
from detcli.datasets.classes.merged_dataset import MergedDataset
from detcli.datasets.coco.coco_subset import Document
from detcli.datasets.dataset import Dataset
from detcli.engine.data.coco_output import document_of, is_panoptic
from detcli.engine.data.shared_classes import SharedClasses
from detcli.errors import UsageError
from detcli.inspection.findings import DataPart
from detcli.io.coco.coco_entries import whole_number

_Entries = list[dict[str, Any]]


class JoinedDataset(MergedDataset):
    """Parts one after the other.

    ids  of all images, in their order
    """

    def __init__(self, datasets: Sequence[Dataset], ids: Sequence[int]) -> None:
        super().__init__(datasets)
        self._ids = ids

    def image_id(self, index: int) -> int:
        """The id of the image in the document."""
        return self._ids[index]


def join_parts(parts: Sequence[DataPart], warn: Callable[[str], None]) -> tuple[Dataset, Document]:
    """The dataset and the COCO document of several parts; of one part, they are its own.

    warn  gets a sentence if entries get new ids, because two parts have the same ones

    Entries keep their other fields. Raises UsageError for panoptic parts.
    """
    if len(parts) == 1:
        return parts[0].dataset, document_of(parts[0].dataset)
    if any(is_panoptic(part.dataset) for part in parts):
        raise UsageError("`part` cannot be 'all' for panoptic data: the PNGs of each part are in a folder of their own")
    classes, documents = SharedClasses(parts), [document_of(part.dataset) for part in parts]
    image_ids = _image_ids(documents)
    if any(old != new for ids in image_ids for old, new in ids.items()):
        warn("the parts have images of the same id: all images are numbered anew")
    of_classes = [_category_ids(part, classes) for part in parts]
    joined = {
        **documents[0],
        "images": [
            entry for document, ids in zip(documents, image_ids, strict=True) for entry in _images(document, ids)
        ],
        "annotations": _annotations(documents, image_ids, of_classes),
        "categories": _categories(documents, of_classes),
    }
    datasets = [ChangedDataset(part.dataset, classes.labels, classes.indices(part)) for part in parts]
    indices = (
        (part.dataset, ids, index)
        for part, ids in zip(parts, image_ids, strict=True)
        for index in range(len(part.dataset))
    )
    return JoinedDataset(datasets, [ids.get(data.image_id(index), -1) for data, ids, index in indices]), joined


def _image_ids(documents: Sequence[Document]) -> list[dict[int, int]]:
    """The new id of each image by its old one, for each document: the same, if no two documents share one."""
    old = [dict.fromkeys(_ids(document["images"])) for document in documents]
    numbers = count(1)
    is_unique = len({number for ids in old for number in ids}) == sum(map(len, old))
    return [{number: number if is_unique else next(numbers) for number in ids} for ids in old]


def _images(document: Document, new: Mapping[int, int]) -> _Entries:
    """Entries of images, each id once."""
    entries = {whole_number(entry.get("id")): entry for entry in reversed(document["images"])}
    return [{**entries[old], "id": number} for old, number in new.items()]


def _annotations(
    documents: Sequence[Document], image_ids: Sequence[Mapping[int, int]], category_ids: Sequence[Mapping[int, int]]
) -> _Entries:
    old = [_ids(document["annotations"]) for document in documents]
    total = sum(len(document["annotations"]) for document in documents)
    is_unique = len({number for ids in old for number in ids}) == total
    joined: _Entries = []
    for document, images, categories in zip(documents, image_ids, category_ids, strict=True):
        for entry in document["annotations"]:
            image, category = (whole_number(entry.get(key)) for key in ("image_id", "category_id"))
            if image is not None and category is not None and image in images and category in categories:
                own = entry["id"] if is_unique else len(joined) + 1
                joined.append({**entry, "id": own, "image_id": images[image], "category_id": categories[category]})
    return joined


def _categories(documents: Sequence[Document], category_ids: Sequence[Mapping[int, int]]) -> _Entries:
    """The entries of the classes, those of the first document that has each."""
    joined: dict[int, dict[str, Any]] = {}
    for document, new in zip(documents, category_ids, strict=True):
        for entry in document["categories"]:
            number = new.get(whole_number(entry.get("id")) or 0)
            if number is not None:
                joined.setdefault(number, {**entry, "id": number})
    return list(joined.values())


def _category_ids(part: DataPart, classes: SharedClasses) -> dict[int, int]:
    """The id among the shared classes of each category id of a part."""
    shared = classes.labels.category_ids
    own = part.dataset.labels.category_ids
    return {old: shared[index] for old, index in zip(own, classes.indices(part).tolist(), strict=True)}


def _ids(entries: _Entries) -> list[int]:
    return [number for entry in entries if (number := whole_number(entry.get("id"))) is not None]
