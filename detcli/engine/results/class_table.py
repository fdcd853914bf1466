"""The classes of stored results, from what the files and their detections say about them."""

from collections.abc import Iterable
from pathlib import Path

from detcli.errors import InputError
from detcli.io.results.metadata import StoredClass
from detcli.io.results.stored import StoredBox
from detcli.structures.class_labels import ClassLabels

Key = tuple[int | None, int | None, str | None]  # class index, category id, name

_UNUSED = "N/A"  # the name of an index that no class has


class ClassTable:
    """Collects the classes of one or several files of results, and gives each detection its class index.

    Indices that files have stay. Other classes get the next free indices: declared ones in the order of the file, then
    those of detections by category id and name.
    """

    def __init__(self) -> None:
        self._declared: dict[Key, Path] = {}
        self._seen: dict[Key, Path] = {}
        self._stuff: set[Key] = set()
        self._indices: dict[Key, int] = {}
        self.labels = ClassLabels((), ())

    def declare(self, classes: Iterable[StoredClass], path: Path) -> None:
        """Add the classes that a file names besides its detections."""
        for entry in classes:
            self._declared.setdefault((entry.index, entry.category_id, entry.name), path)

    def add(self, box: StoredBox, path: Path) -> None:
        """Add the class of a detection."""
        key = _key(box)
        self._seen.setdefault(key, path)
        if box.is_thing is False:
            self._stuff.add(key)

    def finish(self) -> ClassLabels:
        """Decide indices, names and category ids.

        Raises InputError where files disagree, since such results are of different models.
        """
        names: dict[int, str] = {}
        ids: dict[int, int] = {}
        places: dict[int, Path] = {}
        keys = self._declared | self._seen
        for key, path in keys.items():
            if key[0] is not None:
                self._place(key, key[0], path, names, ids, places)
        others = [key for key in self._declared if key[0] is None]
        others += sorted((key for key in self._seen if key[0] is None and key not in self._declared), key=_order)
        for key in others:
            index = _matching(key, names, ids)
            self._place(key, max(names, default=-1) + 1 if index is None else index, keys[key], names, ids, places)
        self.labels = _labels(names, ids, frozenset(self._indices[key] for key in self._stuff))
        return self.labels

    def index(self, box: StoredBox) -> int:
        """The class index of a detection."""
        return self._indices[_key(box)]

    def _place(
        self, key: Key, index: int, path: Path, names: dict[int, str], ids: dict[int, int], places: dict[int, Path]
    ) -> None:
        _, category_id, name = key
        for value, known, what in ((name, names.get(index), "name"), (category_id, ids.get(index), "category id")):
            if value is not None and known is not None and value != known:
                there = places[index]
                where = f"'{path}'" if there == path else f"'{there}' and '{path}'"
                raise InputError(
                    f"{where}: the class {index} has the {what} '{known}' and the {what} '{value}': these are results of "
                    "different models"
                )
        if name is not None:
            names[index] = name
        names.setdefault(index, str(category_id))
        if category_id is not None:
            ids[index] = category_id
        places.setdefault(index, path)
        self._indices[key] = index


def _key(box: StoredBox) -> Key:
    return box.class_id, box.category_id, box.label


def _order(key: Key) -> tuple[bool, int, str]:
    return key[1] is None, key[1] or 0, key[2] or ""


def _matching(key: Key, names: dict[int, str], ids: dict[int, int]) -> int | None:
    """The index of a class that is known already by its category id and name, or the one of both that the file has."""
    _, category_id, name = key
    for index, known in names.items():
        same_name = name is None or name == known
        same_id = category_id is None or ids.get(index) in (None, category_id)
        if same_name and same_id and (name is not None or ids.get(index) == category_id):
            return index
    return None


def _labels(names: dict[int, str], ids: dict[int, int], stuff: frozenset[int]) -> ClassLabels:
    if not names:
        return ClassLabels((), ())
    listed = [names.get(index, _UNUSED) for index in range(max(names) + 1)]
    if not ids:
        known = ClassLabels.from_names(listed)
        return ClassLabels(known.names, known.category_ids, stuff)
    free = max(ids.values()) + 1
    numbers = [ids.get(index, free + index if index in names else 0) for index in range(len(listed))]
    return ClassLabels(tuple(listed), tuple(numbers), stuff)
