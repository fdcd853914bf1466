"""Reads the YAML file of a YOLO dataset, or its classes.txt: class names, and the image folders of each part."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcli.datasets.formats.dataset_layout import ALL_PART_NAMES, PART_NAMES, TEST
from detcli.datasets.yolo.yolo_folders import conventional_parts, undivided_images
from detcli.errors import ImageError, NoDataError
from detcli.io.documents import DocumentError
from detcli.io.documents.parse_yaml import parse_yaml
from detcli.io.read import read_bytes

_MAX_BYTES = 4 << 20
_MAX_CLASSES = 100_000
_MAX_KEYPOINTS = 10_000


@dataclass(frozen=True, slots=True)
class DataYaml:
    """Content of the YAML file.

    names      class names by class index
    parts      for "train", "val" and "test": image folders, or text files that list images; empty if there is no such part
    keypoints  numbers of a row after its box: those of `kpt_shape`; None if the file does not say
    any_part   the dataset has no parts: each has all images
    notes      what was taken by convention, or is missing, as sentences
    """

    names: tuple[str, ...]
    parts: Mapping[str, tuple[Path, ...]]
    keypoints: int | None = None
    any_part: bool = False
    notes: tuple[str, ...] = ()

    def has_images(self, part: str) -> bool:
        """Whether the dataset has a part of its own, of which a folder or list exists; one for testing may be missing."""
        exists = part == TEST or any(map(_has_entries, self.parts[part]))
        return exists and bool(self.parts[part]) and not self.any_part


def read_yolo_classes(path: Path) -> DataYaml:
    """Read the YAML file of a dataset, or the classes.txt that Label Studio writes, next to `images` and `labels`.

    Raises NoDataError if it cannot be read or does not describe a YOLO dataset.
    """
    if path.suffix.lower() == ".txt":
        return _by_convention(path, class_names(_read(path), path), None)
    return read_data_yaml(path)


def read_data_yaml(path: Path) -> DataYaml:
    """Read the YAML file. Raises NoDataError if it cannot be read or does not describe a YOLO dataset."""
    content = _parse(_read(path), path)
    names = _names(content["names"], path)
    count = content.get("nc", len(names))
    if count != len(names):
        raise NoDataError(f"'{path}' has {len(names)} class names, but 'nc: {_short(count)}'")
    keypoints = _keypoints(content.get("kpt_shape"), path)
    if not any(key in content for keys in PART_NAMES.values() for key in keys):  # as supervision writes it
        return _by_convention(path, names, keypoints)
    parts = {part: _image_sources(content, keys, path) for part, keys in ALL_PART_NAMES.items()}
    missing = [f"'{source}'" for source in parts["val"] if not os.path.exists(source)]  # noqa: PTH110 - any name
    notes = [f"it names the validation images {', '.join(missing[:3])}, which do not exist"] if missing else []
    return DataYaml(names, parts, keypoints, notes=tuple(notes))


def class_names(data: bytes, path: Path) -> tuple[str, ...]:
    """The names in the content of a data.yaml or classes.txt. Raises NoDataError if it has none, or invalid ones."""
    if path.suffix.lower() != ".txt":
        return _names(_parse(data, path)["names"], path)
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return _names([line.strip() for line in lines], path)


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, max_bytes=_MAX_BYTES)
    except ImageError as error:
        raise NoDataError(f"cannot read '{path}': {error}") from error


def _parse(data: bytes, path: Path) -> dict[str, Any]:
    try:
        content = parse_yaml(data)
    except DocumentError as error:
        raise NoDataError(f"'{path}' is not YAML: {error}") from error
    if not isinstance(content, dict) or "names" not in content:
        raise NoDataError(f"'{path}' is not a YOLO dataset: it has no 'names'")
    return content


def _has_entries(source: Path) -> bool:
    """Whether a folder or list exists, and the list is not empty."""
    try:
        return os.path.isdir(source) or source.stat().st_size > 0  # noqa: PTH112 - any name
    except (OSError, ValueError):
        return False


def _by_convention(path: Path, names: tuple[str, ...], keypoints: int | None) -> DataYaml:
    """The dataset of a file that names no images: they are in the conventional folders next to it."""
    parts = conventional_parts(path.parent)
    any_part = not any(parts[part] for part in PART_NAMES)
    if any_part:
        parts = dict.fromkeys(parts, undivided_images(path.parent))
    taken = [f"'{source}'" for source in dict.fromkeys(source for part in PART_NAMES for source in parts[part])]
    notes = [f"'{path.name}' names no images; taken by convention: {', '.join(taken)}"] if taken else []
    return DataYaml(names, parts, keypoints, any_part=any_part, notes=tuple(notes))


def _names(value: Any, path: Path) -> tuple[str, ...]:
    """Class names from a list or from a mapping by index."""
    if isinstance(value, dict):
        if all(isinstance(key, str) and key.isascii() and key.isdecimal() for key in value):  # as JSON has them
            numbered = {int(key): name for key, name in value.items() if len(key) <= 6}
            value = numbered if len(numbered) == len(value) else value
        if sorted(value, key=str) != sorted(range(len(value)), key=str):
            raise NoDataError(f"'{path}': 'names' are not numbered from 0 to {len(value) - 1}")
        value = [value[index] for index in range(len(value))]
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_CLASSES:
        raise NoDataError(f"'{path}': 'names' is {_short(value)}, not a list of names")
    # YAML converts unquoted yes, no and numbers; the original text is lost.
    invalid = [name for name in value if not isinstance(name, str | int) or isinstance(name, bool)]
    if invalid:
        raise NoDataError(f"'{path}': {_short(invalid[0])} in 'names' is not text; put it in quotes")
    names = tuple(str(name) for name in value)
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise NoDataError(f"'{path}': two classes have the name '{repeated}'")
    return names


def _keypoints(shape: Any, path: Path) -> int | None:
    """How many numbers the key points of a row have, of `kpt_shape: [points, 2 or 3]`; no points: 0."""
    if shape is None:
        return None
    is_pair = isinstance(shape, list) and len(shape) == 2 and all(type(number) is int for number in shape)
    if not is_pair or not 0 <= shape[0] <= _MAX_KEYPOINTS or shape[1] not in (2, 3):
        raise NoDataError(f"'{path}': 'kpt_shape' is {_short(shape)}, not [number of key points, 2 or 3]")
    return int(shape[0] * shape[1])


def _image_sources(content: Mapping[str, Any], keys: tuple[str, ...], path: Path) -> tuple[Path, ...]:
    """The image folders or lists of a part, relative to `path` in the file, or to the file."""
    value: Any = next((content[key] for key in keys if content.get(key)), [])
    entries = value if isinstance(value, list) else [value]
    root = content.get("path") or ""
    invalid = [entry for entry in (root, *entries) if not isinstance(entry, str)]
    if invalid:
        raise NoDataError(f"'{path}': {_short(invalid[0])} is not the path of images")
    return tuple(_resolve(entry, root, path.parent) for entry in entries)


def _resolve(entry: str, root: str, base: Path) -> Path:
    """The first existing path of those that YOLO tools accept; the first of all if none exists.

    Paths that were written on Windows have backslashes.
    """
    candidates = [base / root / entry, base / entry]
    if "\\" in root + entry:
        root, entry = root.replace("\\", "/"), entry.replace("\\", "/")
        candidates += [base / root / entry, base / entry]
    if entry.startswith("../"):  # Roboflow writes paths relative to a subfolder
        candidates += [base / root / entry[3:], base / entry[3:]]
    return next((path for path in candidates if os.path.exists(path)), candidates[0])  # noqa: PTH110 - any name


def _short(value: object) -> str:
    """A value for a message, shortened: aliases can make values very long."""
    return repr(value)[:60] if isinstance(value, str | int | float) else f"a {type(value).__name__}"
