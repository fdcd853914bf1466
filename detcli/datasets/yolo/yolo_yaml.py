"""The YAML file of a YOLO dataset: names of the classes, and where the images of each part are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from detcli.errors import ImageError, UsageError
from detcli.io.read import read_bytes

_MAX_BYTES = 4 << 20
_PART_KEYS = {"train": ("train",), "val": ("val", "valid", "validation")}
_MOST_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class DataYaml:
    """What it says.

    names  of the classes by index
    parts  by "train" and "val": folders of images, or text files that list them; none where there is no such part
    """

    names: tuple[str, ...]
    parts: Mapping[str, tuple[Path, ...]]


def read_data_yaml(path: Path) -> DataYaml:
    """Read it. Raises UsageError where it is not there or not of that kind."""
    try:
        content = yaml.safe_load(read_bytes(path, max_bytes=_MAX_BYTES))
    except ImageError as error:
        raise UsageError(f"cannot read '{path}': {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' is not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, dict) or "names" not in content:
        raise UsageError(f"'{path}' is no dataset of YOLO: it has no 'names'")
    names = _names(content["names"], path)
    count = content.get("nc", len(names))
    if count != len(names):
        raise UsageError(f"'{path}' names {len(names)} classes and says 'nc: {_short(count)}'")
    parts = {part: _places(content, keys, path) for part, keys in _PART_KEYS.items()}
    return DataYaml(names, parts)


def _names(found: Any, path: Path) -> tuple[str, ...]:
    """The names, given as a list or by index."""
    if isinstance(found, dict):
        if sorted(found, key=str) != sorted(range(len(found)), key=str):
            raise UsageError(f"'{path}': 'names' are not numbered from 0 to {len(found) - 1}")
        found = [found[index] for index in range(len(found))]
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_CLASSES:
        raise UsageError(f"'{path}': 'names' is {_short(found)}, not a list of names")
    # YAML reads unquoted yes, no and numbers as something else; what was written cannot be told from it.
    wrong = [name for name in found if not isinstance(name, str | int) or isinstance(name, bool)]
    if wrong:
        raise UsageError(f"'{path}': {_short(wrong[0])} among 'names' is not text; write it in quotes")
    names = tuple(str(name) for name in found)
    again = [name for place, name in enumerate(names) if name in names[:place]]
    if again:
        raise UsageError(f"'{path}': two classes have the name '{again[0]}'")
    return names


def _places(content: Mapping[str, Any], keys: tuple[str, ...], path: Path) -> tuple[Path, ...]:
    """The folders or lists of a part, found below `path`, or next to the file."""
    found: Any = next((content[key] for key in keys if content.get(key)), [])
    entries = found if isinstance(found, list) else [found]
    root = content.get("path") or ""
    wrong = [entry for entry in (root, *entries) if not isinstance(entry, str)]
    if wrong:
        raise UsageError(f"'{path}': {_short(wrong[0])} is not the path of images")
    return tuple(_resolve(entry, root, path.parent) for entry in entries)


def _resolve(entry: str, root: str, beside: Path) -> Path:
    """The first of the places that the tools of YOLO mean; where there is none, the first of them."""
    places = [beside / root / entry, beside / entry]
    if entry.startswith("../"):  # Roboflow writes paths as seen from a folder below
        places += [beside / root / entry[3:], beside / entry[3:]]
    return next((place for place in places if os.path.exists(place)), places[0])  # noqa: PTH110 - any name


def _short(value: object) -> str:
    """A value in a message; never all of what aliases may have made endless."""
    return repr(value)[:60] if isinstance(value, str | int | float) else f"a {type(value).__name__}"
