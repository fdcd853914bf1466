"""Reads the YAML file of a YOLO dataset: class names, and the image folders of each part."""

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
_MAX_CLASSES = 100_000
_MAX_KEYPOINTS = 10_000


@dataclass(frozen=True, slots=True)
class DataYaml:
    """Content of the YAML file.

    names      class names by class index
    parts      for "train" and "val": image folders, or text files that list images; empty if there is no such part
    keypoints  numbers of a row after its box: those of `kpt_shape`; None if the file does not say
    """

    names: tuple[str, ...]
    parts: Mapping[str, tuple[Path, ...]]
    keypoints: int | None = None


def read_data_yaml(path: Path) -> DataYaml:
    """Read the YAML file. Raises UsageError if it cannot be read or does not describe a YOLO dataset."""
    try:
        content = yaml.safe_load(read_bytes(path, max_bytes=_MAX_BYTES))
    except ImageError as error:
        raise UsageError(f"cannot read '{path}': {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' is not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, dict) or "names" not in content:
        raise UsageError(f"'{path}' is not a YOLO dataset: it has no 'names'")
    names = _names(content["names"], path)
    count = content.get("nc", len(names))
    if count != len(names):
        raise UsageError(f"'{path}' has {len(names)} class names, but 'nc: {_short(count)}'")
    parts = {part: _image_sources(content, keys, path) for part, keys in _PART_KEYS.items()}
    return DataYaml(names, parts, _keypoints(content.get("kpt_shape"), path))


def _names(value: Any, path: Path) -> tuple[str, ...]:
    """Class names from a list or from a mapping by index."""
    if isinstance(value, dict):
        if sorted(value, key=str) != sorted(range(len(value)), key=str):
            raise UsageError(f"'{path}': 'names' are not numbered from 0 to {len(value) - 1}")
        value = [value[index] for index in range(len(value))]
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_CLASSES:
        raise UsageError(f"'{path}': 'names' is {_short(value)}, not a list of names")
    # YAML converts unquoted yes, no and numbers; the original text is lost.
    invalid = [name for name in value if not isinstance(name, str | int) or isinstance(name, bool)]
    if invalid:
        raise UsageError(f"'{path}': {_short(invalid[0])} in 'names' is not text; put it in quotes")
    names = tuple(str(name) for name in value)
    repeated = [name for index, name in enumerate(names) if name in names[:index]]
    if repeated:
        raise UsageError(f"'{path}': two classes have the name '{repeated[0]}'")
    return names


def _keypoints(shape: Any, path: Path) -> int | None:
    """How many numbers the key points of a row have, of `kpt_shape: [points, 2 or 3]`; no points: 0."""
    if shape is None:
        return None
    is_pair = isinstance(shape, list) and len(shape) == 2 and all(type(number) is int for number in shape)
    if not is_pair or not 0 <= shape[0] <= _MAX_KEYPOINTS or shape[1] not in (2, 3):
        raise UsageError(f"'{path}': 'kpt_shape' is {_short(shape)}, not [number of key points, 2 or 3]")
    return int(shape[0] * shape[1])


def _image_sources(content: Mapping[str, Any], keys: tuple[str, ...], path: Path) -> tuple[Path, ...]:
    """The image folders or lists of a part, relative to `path` in the file, or to the file."""
    value: Any = next((content[key] for key in keys if content.get(key)), [])
    entries = value if isinstance(value, list) else [value]
    root = content.get("path") or ""
    invalid = [entry for entry in (root, *entries) if not isinstance(entry, str)]
    if invalid:
        raise UsageError(f"'{path}': {_short(invalid[0])} is not the path of images")
    return tuple(_resolve(entry, root, path.parent) for entry in entries)


def _resolve(entry: str, root: str, base: Path) -> Path:
    """The first existing path of those that YOLO tools accept; the first of all if none exists."""
    candidates = [base / root / entry, base / entry]
    if entry.startswith("../"):  # Roboflow writes paths relative to a subfolder
        candidates += [base / root / entry[3:], base / entry[3:]]
    return next((path for path in candidates if os.path.exists(path)), candidates[0])  # noqa: PTH110 - any name


def _short(value: object) -> str:
    """A value for a message, shortened: aliases can make values very long."""
    return repr(value)[:60] if isinstance(value, str | int | float) else f"a {type(value).__name__}"
