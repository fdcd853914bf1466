"""Class names from a file: one per line, JSON, or the categories of COCO annotations."""

from pathlib import Path
from typing import Any

from detcli.errors import ImageError, UsageError
from detcli.io.documents import parse_json
from detcli.io.read import read_bytes

_MAX_BYTES = 1 << 30  # annotations of a large dataset have hundreds of megabytes
_MAX_CLASSES = 100_000
_UNUSED = "N/A"  # name of an index without a category


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read the class names by class index.

    A .json file has a list of names, an object with indices as keys (as `id2label`), or COCO annotations, whose category
    ids become indices. Any other file is text with one name per line; blank lines at the end are skipped.

    Raises UsageError if the file cannot be read or has other content.
    """
    try:
        text = read_bytes(path, max_bytes=_MAX_BYTES).decode("utf-8-sig")
        names = _from_json(parse_json(text)) if path.suffix.casefold() == ".json" else _from_lines(text)
    except ImageError as error:
        raise UsageError(f"cannot read the class names in '{path}': {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read the class names in '{path}': it is not UTF-8") from error
    except ValueError as error:
        raise UsageError(f"cannot read the class names in '{path}': {error}") from error
    return names


def _from_lines(text: str) -> tuple[str, ...]:
    return _checked([line.strip() for line in text.rstrip().splitlines()])


def _from_json(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict) and isinstance(value.get("categories"), list):
        entries = [entry if isinstance(entry, dict) else {} for entry in value["categories"]]
        return _by_index([(entry.get("id"), entry.get("name")) for entry in entries])
    if isinstance(value, dict):
        value = value.get("id2label", value)
        return _by_index([(_index(key), name) for key, name in value.items()] if isinstance(value, dict) else [])
    if isinstance(value, list):
        return _checked(value)
    raise ValueError("it has neither a list of names nor an object with indices as keys")


def _by_index(entries: list[tuple[Any, Any]]) -> tuple[str, ...]:
    if not all(type(index) is int and 0 <= index < _MAX_CLASSES for index, _ in entries):
        raise ValueError(f"its keys, or the ids of its categories, must be class indices, from 0 to {_MAX_CLASSES - 1}")
    named: dict[int, Any] = dict(entries)
    return _checked([named.get(index, _UNUSED) for index in range(max(named, default=-1) + 1)])


def _index(key: str) -> int | None:
    return int(key) if key.isascii() and key.isdigit() and len(key) < 9 else None


def _checked(names: list[Any]) -> tuple[str, ...]:
    if not names or len(names) > _MAX_CLASSES:
        raise ValueError(f"it has {len(names)} names")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name or len(name) > 1000:
            raise ValueError(f"entry {index} is not a name")
    return tuple(names)
