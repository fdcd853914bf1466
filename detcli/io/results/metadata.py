"""Reads what results say besides their images: the provenance of the run, and the classes of the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detcli.errors import InputError
from detcli.io.coco.coco_reader import InvalidEntries, read_coco_document, read_names
from detcli.io.results.formats import FORMATS
from detcli.io.results.provenance import stored_info
from detcli.io.results.readers.yolo import class_names


@dataclass(frozen=True, slots=True)
class StoredClass:
    """A class that results name, also one that was not detected; index and category id are None where they are unknown."""

    name: str
    index: int | None = None
    category_id: int | None = None


@dataclass(frozen=True, slots=True)
class ResultsMetadata:
    """What a format holds besides images and detections.

    info      provenance, with the keys of `RunInfo.as_json`; empty if there is none
    classes   of the model; empty where the results name only the classes of their detections
    complete  False if the run was interrupted
    lacks     names in `formats.CONTENTS` that these results do not hold, besides those that the format loses
    """

    info: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[StoredClass, ...] = ()
    complete: bool = True
    lacks: frozenset[str] = frozenset()


def jsonl_metadata(path: Path) -> ResultsMetadata:
    """The header of JSON Lines, if they have one."""
    return ResultsMetadata(stored_info(path, "jsonl"))


def parquet_metadata(path: Path) -> ResultsMetadata:
    """The provenance in the footer of Parquet, if there is one, and which rows it has."""
    from detcli.io.results.readers.parquet import has_rows_of_boxes

    info = stored_info(path, "parquet")
    lacks = FORMATS["parquet"].lost(["rows"]) if has_rows_of_boxes(path) else frozenset()
    return ResultsMetadata(info, complete=info.get("complete") is not False, lacks=lacks)


def coco_metadata(path: Path) -> ResultsMetadata:
    """`info` and `categories` of a COCO file; `info` of other programs has no provenance."""
    document = read_coco_document(path, kind="results")
    invalid = InvalidEntries()
    categories = read_names(path, document, "categories", invalid)
    invalid.raise_if_any(path, InputError)
    info = document.get("info")
    info = info if isinstance(info, dict) and "model" in info and "detcli" in info else {}
    classes = tuple(StoredClass(name, category_id=category_id) for category_id, name in categories)
    return ResultsMetadata(info, classes, info.get("complete") is not False)


def yolo_metadata(path: Path) -> ResultsMetadata:
    """The names in `classes.txt`."""
    if not os.path.isdir(path):  # noqa: PTH112 - any name
        return ResultsMetadata()
    return ResultsMetadata(classes=tuple(StoredClass(name, index) for index, name in enumerate(class_names(path))))
