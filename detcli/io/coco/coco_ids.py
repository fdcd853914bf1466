"""COCO annotations read for their numbers: which id an image has there, and which id a category."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from detcli.errors import UsageError
from detcli.io.coco.coco_reader import InvalidEntries, posix_name, read_coco_document, read_names
from detcli.structures.class_labels import ClassLabels, plain_name


class ImageIdLookup(Mapping[str, int]):
    """Image id by file name: first the whole name as the annotations have it, then a last part that only one has."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._by_name = dict(ids)
        self._by_last_part: dict[str, int | None] = {}
        for name, image_id in ids.items():
            last = _last_part(name)
            self._by_last_part[last] = None if last in self._by_last_part else image_id

    def __getitem__(self, relative: str) -> int:
        image_id = self._by_name.get(relative)
        if image_id is None:
            image_id = self._by_last_part.get(_last_part(relative))
        if image_id is None:
            raise KeyError(relative)
        return image_id

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


@dataclass(frozen=True, slots=True)
class CocoIds:
    """What the annotations number.

    image_ids     image id by file name
    category_ids  category id by name
    """

    image_ids: ImageIdLookup
    category_ids: Mapping[str, int]

    def renumber(self, labels: ClassLabels) -> tuple[ClassLabels, tuple[str, ...]]:
        """Labels with the category ids of the annotations, found by name in any case; and the names they do not have.

        A category that the annotations do not have gets an id that none of theirs has, so that it is never mistaken
        for one. Where they have none of the names, as with other words for the same things, the labels stay as they
        are.
        """
        ids: dict[str, int] = {}
        for name, category_id in self.category_ids.items():
            ids.setdefault(plain_name(name), category_id)
        found = [ids.get(plain_name(name)) for name in labels.names]
        missing = tuple(name for name, category_id in zip(labels.names, found, strict=True) if category_id is None)
        if len(missing) == len(labels):
            return labels, missing
        missing = tuple(name for name in missing if name != "N/A")  # a hole in a numbering is no class
        free = max(*ids.values(), *labels.category_ids) + 1
        numbered = (free + index if category_id is None else category_id for index, category_id in enumerate(found))
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


def _last_part(name: str) -> str:
    return name.rpartition("/")[2]
