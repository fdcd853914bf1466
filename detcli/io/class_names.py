"""Names of classes from a file: a line each, JSON, or the categories of COCO annotations."""

import json
from pathlib import Path
from typing import Any

from detcli.errors import ImageError, UsageError
from detcli.io.read import read_bytes

_MOST_BYTES = 1 << 30  # annotations of a large dataset have hundreds of megabytes
_MOST_CLASSES = 100_000
_UNUSED = "N/A"  # an index between others that no category has


def read_class_names(path: Path) -> tuple[str, ...]:
    """Names by class index.

    A .json file holds a list of names, an object of them by index (as `id2label`), or COCO annotations, whose
    categories stand at their ids; any other file is text with a name a line, blank lines at its end skipped.

    Raises UsageError where the file cannot be read or holds anything else.
    """
    try:
        text = read_bytes(path, max_bytes=_MOST_BYTES).decode("utf-8-sig")
        names = _of_json(json.loads(text)) if path.suffix.casefold() == ".json" else _of_lines(text)
    except ImageError as error:
        raise UsageError(f"cannot read the names of classes in '{path}': {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read the names of classes in '{path}': it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot read the names of classes in '{path}': {error}") from error
    return names


def _of_lines(text: str) -> tuple[str, ...]:
    return _checked([line.strip() for line in text.rstrip().splitlines()])


def _of_json(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict) and isinstance(value.get("categories"), list):
        entries = [entry if isinstance(entry, dict) else {} for entry in value["categories"]]
        return _by_index({entry.get("id"): entry.get("name") for entry in entries})
    if isinstance(value, dict):
        value = value.get("id2label", value)
        return _by_index({_index(key): name for key, name in value.items()} if isinstance(value, dict) else {})
    if isinstance(value, list):
        return _checked(value)
    raise ValueError("it holds neither a list of names nor an object of them by index")


def _by_index(named: dict[Any, Any]) -> tuple[str, ...]:
    if not all(type(index) is int and 0 <= index < _MOST_CLASSES for index in named):
        raise ValueError(f"its names stand at other places than integers from 0 to {_MOST_CLASSES - 1}")
    return _checked([named.get(index, _UNUSED) for index in range(max(named, default=-1) + 1)])


def _index(key: str) -> int | None:
    return int(key) if key.isascii() and key.isdigit() and len(key) < 9 else None


def _checked(names: list[Any]) -> tuple[str, ...]:
    if not names or len(names) > _MOST_CLASSES:
        raise ValueError(f"it holds {len(names)} names")
    for place, name in enumerate(names):
        if not isinstance(name, str) or not name or len(name) > 1000:
            raise ValueError(f"what stands at place {place} is no name")
    return tuple(names)
