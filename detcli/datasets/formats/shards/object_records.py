"""Reads objects from records of JSON or Parquet: those of detcli, COCO, and Hugging Face."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from detcli.datasets.formats.geometry import NO_BOX, Corners
from detcli.datasets.formats.labeled_objects import LabeledObjects
from detcli.datasets.instance_masks import read_outline
from detcli.datasets.issues import IssueReport
from detcli.errors import DataError
from detcli.io.coco.coco_entries import box_values, coordinate, image_size, whole_number
from detcli.io.coco.coco_reader import reject_detections
from detcli.io.record_values import shown

OBJECT_KEYS = ("annotations", "detections", "objects")
_PLURAL = ("labels", "categories", "classes")  # of columns, one for each value of the objects
_NAME_KEYS = ("label", "category", "category_name", "class_name", "class", "name", *_PLURAL)
_ID_KEYS = ("category_id", "category", "label", "label_id", "class_id", "class", *_PLURAL)
_BOX_KEYS = ("bbox", "bboxes")


class ClassNames:
    """Names of classes by id: those of the records of a dataset, else those of a file.

    source  where they are looked for, for messages
    listed  names by index in a file, which count where the records have none
    """

    def __init__(self, source: str, listed: Sequence[str] = ()) -> None:
        self.source = source
        self._listed = dict(enumerate(listed))
        self._names: dict[int, str] = {}

    def add(self, number: int, name: str) -> bool:
        """Add a class; False if its id has another name."""
        return self._names.setdefault(number, name) == name

    def find(self, number: int) -> str | None:
        """The name of a class, or None."""
        return self._names.get(number) or self._listed.get(number)

    def in_order(self, used: Iterable[str]) -> list[str]:
        """All names: by id, then those in use that have no id, sorted."""
        known = [name for _, name in sorted((self._names or self._listed).items())]
        return list(dict.fromkeys([*known, *sorted(set(used))]))


class ObjectRecords:
    """Adds the objects of records to those of images.

    objects  gets the objects
    names    gets the categories of the records
    where    the dataset, for messages
    """

    def __init__(self, objects: LabeledObjects, names: ClassNames, where: str) -> None:
        self._objects, self._names, self._where = objects, names, where
        self._invalid: list[str] = []

    def add(self, record: Any) -> None:
        """Add the objects of a record to those of the current image.

        record  a JSON object with a list of objects, or a column for each of their values; or the list itself

        Raises DataError for objects with scores: they are detections.
        """
        for number, name in _categories(record):
            if not self._names.add(number, name):
                self.refuse(f"the category {number} is '{name}' here, and '{self._names.find(number)}' before")
        entries = list(_entries(record))
        reject_detections(self._where, entries, DataError)
        for number, entry in enumerate(entries, 1):
            if not isinstance(entry, Mapping):
                self._objects.refuse(number, f"it is {shown(entry)}, not a JSON object")
                continue
            label, why = _label(entry, self._names)
            if label is None:
                self._objects.refuse(number, why)
                continue
            crowd, outline = entry.get("iscrowd") in (1, True), read_outline(entry.get("segmentation"))
            self._objects.add(number, label, _corners(entry), crowd=crowd, outline=outline)

    def refuse(self, why: str) -> None:
        """Note that the record of the current image is invalid."""
        self._invalid.append(f"'{self._objects.sources[-1]}' ({why})")

    def check(self, issues: IssueReport) -> None:
        """Report what was left out. Raises DataError for invalid records and objects."""
        issues.raise_if_any(len(self._invalid), "record{s} {are} invalid", self._invalid)
        self._objects.check(issues)


def record_size(record: Any) -> tuple[int, int] | None:
    """Height and width as they are written in a record, or in its `image`; None if it has no valid ones."""
    if not isinstance(record, Mapping):
        return None
    image = record.get("image")
    for place in (record, image if isinstance(image, Mapping) else {}):
        if (size := image_size(place)) is not None:
            return size
    return None


def has_objects(record: Any) -> bool:
    """Whether a record has a list of objects, even an empty one."""
    return isinstance(record, list) or (isinstance(record, Mapping) and any(key in record for key in OBJECT_KEYS))


def _entries(record: Any) -> Iterator[Any]:
    value = record
    if isinstance(record, Mapping):
        value = next((record[key] for key in OBJECT_KEYS if record.get(key) is not None), [])
    if isinstance(value, Mapping):  # a column for each value of the objects
        columns = {key: values for key, values in value.items() if isinstance(values, list)}
        for row in range(max(map(len, columns.values()), default=0)):
            yield {key: values[row] for key, values in columns.items() if row < len(values)}
    else:
        yield from value if isinstance(value, list) else [value]


def _categories(record: Any) -> Iterator[tuple[int, str]]:
    categories = record.get("categories") if isinstance(record, Mapping) else None
    for entry in categories if isinstance(categories, list) else []:
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
            number = whole_number(entry.get("id"))
            if number is not None:
                yield number, entry["name"]


def _label(entry: Mapping[str, Any], names: ClassNames) -> tuple[str | None, str]:
    """The name of the class of an object; or None, and why it has none."""
    name = next((entry[key] for key in _NAME_KEYS if isinstance(entry.get(key), str) and entry[key].strip()), None)
    if name is not None:
        return name, ""
    number = next((value for key in _ID_KEYS if (value := whole_number(entry.get(key))) is not None), None)
    if number is None:
        return None, "it has no class: a `label`, or a `category_id`"
    name = names.find(number)
    return name, f"the name of its class {number} is unknown: it is not in {names.source}"


def _corners(entry: Mapping[str, Any]) -> Corners:
    box = next((entry[key] for key in _BOX_KEYS if entry.get(key)), None) or box_values(entry)
    if not isinstance(box, list) or len(box) != 4:
        return NO_BOX
    x, y, w, h = map(coordinate, box)
    return x, y, x + w, y + h
