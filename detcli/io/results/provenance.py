"""Reads the provenance that results of `detect` carry: which model made them, with which arguments."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detcli.io.documents import DocumentError, parse_json
from detcli.io.results.open_file import opened

_HEAD_BYTES = 1 << 20  # the provenance is written first
_COCO_START = '{"info":'
_COCO_END = ',"failed":'  # what `coco_writer.py` writes after the provenance


@dataclass(frozen=True, slots=True)
class ResultsProvenance:
    """Where results are from; None for what they do not say.

    model      name as the user gave it
    threshold  scores of the results are above it
    class_thresholds  by name, of classes that have another one
    """

    model: str | None = None
    threshold: float | None = None
    class_thresholds: Mapping[str, float] = field(default_factory=dict)


def read_provenance(path: Path, format_name: str) -> ResultsProvenance:
    """The provenance of results: the header of JSON Lines, `info` of COCO as detcli writes it, or the footer of Parquet; else empty.

    Raises NoDataError if the file cannot be read.
    """
    record = stored_info(path, format_name)
    model, arguments = record.get("model"), record.get("arguments")
    given = _as_mapping(arguments)
    threshold, classes = given.get("threshold"), _as_mapping(given.get("class_thresholds"))
    return ResultsProvenance(
        model if isinstance(model, str) else None,
        _fraction(threshold),
        {name: value for name, stored in classes.items() if (value := _fraction(stored)) is not None},
    )


def stored_info(path: Path, format_name: str) -> Mapping[str, Any]:
    """The provenance as `RunInfo.as_json` wrote it; empty if there is none.

    Raises NoDataError if the file cannot be read.
    """
    if format_name not in ("jsonl", "coco", "parquet") or os.path.isdir(path):  # noqa: PTH112 - any name
        return {}
    return _footer(path) if format_name == "parquet" else _head(path, format_name)


def _head(path: Path, format_name: str) -> Mapping[str, Any]:
    with opened(path) as file:
        head = file.read(_HEAD_BYTES).decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    return _first_line(head) if format_name == "jsonl" else _info(head)


def _footer(path: Path) -> Mapping[str, Any]:
    from detcli.io.results.readers.parquet import read_footer

    return read_footer(path)


def _first_line(head: str) -> Mapping[str, Any]:
    record = _parsed(head.partition("\n")[0])
    return _as_mapping(record.get("detcli"))


def _info(head: str) -> Mapping[str, Any]:
    """`info` of a COCO file, without its list of failed images, which may be longer than the head."""
    if not head.startswith(_COCO_START):
        return {}
    start, end, _ = head.removeprefix(_COCO_START).partition(_COCO_END)
    return _parsed(start + "}") if end else {}


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        return _as_mapping(parse_json(text))
    except DocumentError:
        return {}


def _fraction(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value <= 1 else None


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
