"""Reads the image ids and category ids of COCO annotations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from detcli.errors import UsageError
from detcli.io.coco.coco_reader import InvalidEntries, posix_name, read_coco_document, read_names
from detcli.structures.class_labels import ClassLabels, plain_name


class ImageIdLookup(Mapping[str, int]):
    """Image id by file name: the relative path of the annotations, or a file name that is unique in them.

    Annotations may name a member of an archive by its path in the archive.
    """

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._by_name = dict(ids)
        self._by_file_name: dict[str, int | None] = {}
        for name, image_id in ids.items():
            file_name = _file_name(name)
            self._by_file_name[file_name] = None if file_name in self._by_file_name else image_id

    def __getitem__(self, relative: str) -> int:
        image_id = self._by_name.get(relative)
        if image_id is None and "!/" in relative:
            image_id = self._by_name.get(relative.partition("!/")[2])
        if image_id is None:
            image_id = self._by_file_name.get(_file_name(relative))
        if image_id is None:
            raise KeyError(relative)
        return image_id

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


@dataclass(frozen=True, slots=True)
class CocoIds:
    """The ids of COCO annotations.

    image_ids     image id by file name
    category_ids  category id by name
    """

    image_ids: ImageIdLookup
    category_ids: Mapping[str, int]

    def renumber(self, labels: ClassLabels) -> tuple[ClassLabels, tuple[str, ...]]:
        """Give labels the category ids of the annotations, matched by name in any case.

        returns  the new labels, and the names that the annotations do not have

        A class without a category gets a new id, so that it is never confused with a category. If no name matches, for
        example in another language, the labels stay the same.
        """
        ids: dict[str, int] = {}
        for name, category_id in self.category_ids.items():
            ids.setdefault(plain_name(name), category_id)
        matches = [ids.get(plain_name(name)) for name in labels.names]
        missing = tuple(name for name, category_id in zip(labels.names, matches, strict=True) if category_id is None)
        if len(missing) == len(labels):
            return labels, missing
        missing = tuple(name for name in missing if name != "N/A")  # an unused index is not a class
        free = max(*ids.values(), *labels.category_ids) + 1
        numbered = (free + index if category_id is None else category_id for index, category_id in enumerate(matches))
        return ClassLabels(labels.names, tuple(numbered), labels.stuff), missing


def read_coco_ids(path: Path) -> CocoIds:
    """Read the ids of COCO annotations. Raises UsageError if the file cannot be read or holds no COCO annotations."""
    document = read_coco_document(path, invalid=UsageError, sections=("images", "categories"))
    invalid = InvalidEntries()
    images, categories = (read_names(path, document, section, invalid) for section in ("images", "categories"))
    invalid.raise_if_any(path, UsageError)
    for section, entries in (("images", images), ("categories", categories)):
        if not entries:
            raise UsageError(f"'{path}' holds no COCO annotations: its list of '{section}' is empty")
    image_ids = ImageIdLookup({posix_name(name): image_id for image_id, name in images})
    return CocoIds(image_ids, {name: category_id for category_id, name in reversed(categories)})


def _file_name(name: str) -> str:
    return name.rpartition("/")[2]
