"""Finds the class names in the metadata that the library datasets of Hugging Face writes into Parquet files."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from detcli.io.documents import DocumentError, is_nested_at_most, parse_json

_KEY: Final = b"huggingface"
_MAX_DEPTH: Final = 50


def feature_class_names(metadata: Mapping[bytes, bytes] | None, column: str) -> tuple[str, ...]:
    """The names of the ClassLabel among the features of a column; empty if there is none, or more than one.

    metadata  of the Arrow schema
    """
    try:
        content = parse_json((metadata or {}).get(_KEY, b"{}"))
    except DocumentError:
        return ()
    for key in ("info", "features", column):
        content = content.get(key) if isinstance(content, dict) else None
    if content is None or not is_nested_at_most(content, _MAX_DEPTH):
        return ()
    found = list(_class_labels(content))
    return found[0] if len(found) == 1 else ()


def _class_labels(feature: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(feature, list):
        for inner in feature:
            yield from _class_labels(inner)
    elif isinstance(feature, dict):
        names = feature.get("names")
        if feature.get("_type") == "ClassLabel" and isinstance(names, list):
            yield tuple(str(name) for name in names)
        else:
            for inner in feature.values():
                yield from _class_labels(inner)
