"""Reads Parquet as `sinks/results/parquet.py` writes it: rows of images, or rows of boxes; in constant memory."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from detcli.errors import InputError
from detcli.extras import install_command
from detcli.io.documents import DocumentError, parse_json
from detcli.io.record_values import LARGEST_COORDINATE, Box, RecordPosition
from detcli.io.results.open_file import opened
from detcli.io.results.parquet_schema import PROVENANCE_KEY
from detcli.io.results.readers.jsonl import image_of_record
from detcli.io.results.stored import StoredBox, StoredImage
from detcli.io.results.utf8_names import from_utf8
from detcli.libraries import optional_library

_BATCH_ROWS = 1000
_SIDES = ("x_min", "y_min", "x_max", "y_max")
_STD = tuple(f"{side}_std" for side in _SIDES)
_OPTIONAL = ("index", "frame", "time_s", "width", "height")
_OPTIONAL_OF_BOXES = ("label", "label_id", "category_id", "track_id", "is_thing", "segmentation")
_FLOAT32 = ("score", *_SIDES, *_STD)
_IMAGE_COLUMNS = ("file", "detections")
_BOX_COLUMNS = ("file", "score", *_SIDES)

Row = Mapping[str, Any]


def read_parquet(path: Path) -> Iterator[StoredImage]:
    """Read one image per row, or per group of rows of boxes with the same file and frame.

    Raises InputError for a file that is damaged, or has other columns.
    """
    with opened(path) as file:
        table = _table(path, file)
        names = table.schema_arrow.names
        if set(_IMAGE_COLUMNS) <= set(names):
            wanted = [*_IMAGE_COLUMNS, *_OPTIONAL, "error"]
            for position, row in _rows(path, table, wanted):
                yield image_of_record(position, row)
        elif set(_BOX_COLUMNS) <= set(names) and {"label", "category_id"} & set(names):
            wanted = [*_BOX_COLUMNS, *_OPTIONAL, *_OPTIONAL_OF_BOXES, *_STD]
            yield from _images_of_boxes(_rows(path, table, wanted))
        else:
            raise InputError(
                f"'{path}' is Parquet of something else: results have the columns {' and '.join(_IMAGE_COLUMNS)}, or "
                f"{', '.join(_BOX_COLUMNS)} and label; this file has {_shown(names)}"
            )


def read_footer(path: Path) -> Mapping[str, Any]:
    """The metadata of the run in the footer; empty where it has none. Raises InputError if the file is damaged."""
    with opened(path) as file:
        data = (_table(path, file).metadata.metadata or {}).get(PROVENANCE_KEY)
    try:
        value = parse_json(data or b"{}")
    except DocumentError:
        return {}
    return value if isinstance(value, dict) else {}


def has_rows_of_boxes(path: Path) -> bool:
    """Whether it has a row for each box, so that images without boxes have none. Raises InputError if the file is damaged."""
    with opened(path) as file:
        return "detections" not in _table(path, file).schema_arrow.names


def _table(path: Path, file: Any) -> Any:
    parquet = optional_library("pyarrow.parquet", need="reading Parquet needs", install=install_command("parquet"))
    try:
        return parquet.ParquetFile(file)
    except parquet_damage() as error:
        _refuse(path, error)


def _rows(path: Path, table: Any, wanted: list[str]) -> Iterator[tuple[RecordPosition, Row]]:
    columns = [name for name in wanted if name in table.schema_arrow.names]
    number = 0
    batches = table.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
            rows = [] if batch is None else batch.to_pylist()
        except parquet_damage() as error:
            _refuse(path, error)
        if batch is None:
            return
        for row in rows:
            number += 1
            yield RecordPosition(path, f"row {number}"), _as_record(row)


def _as_record(row: dict[str, Any]) -> Row:
    """The row with file names as the system knows them, and numbers as JSON has them: 0.4, not 0.4000000059604645."""
    for part in (row, *(row.get("detections") or ())):
        if not isinstance(part, dict):
            continue
        for name, value in part.items():
            if name in ("file", "label") and isinstance(value, str):
                part[name] = from_utf8(value)
            elif isinstance(value, float) and name in _FLOAT32:
                part[name] = _shortest(value)
            elif isinstance(value, list) and name in ("bbox", "bbox_std"):
                part[name] = [_shortest(number) for number in value]
    return row


def _shortest(value: Any) -> Any:
    """The number with the fewest digits that is the same float32; others, such as doubles of a database, stay as they are."""
    if not isinstance(value, float) or abs(value) > LARGEST_COORDINATE or value != (single := np.float32(value)):
        return value
    return float(str(single))


def _images_of_boxes(rows: Iterator[tuple[RecordPosition, Row]]) -> Iterator[StoredImage]:
    for (file, frame), grouped in groupby(rows, key=lambda row: (row[1]["file"], row[1].get("frame"))):
        group = list(grouped)
        position, first = group[0]
        height, width = (position.integer_or_none(first.get(side), side) for side in ("height", "width"))
        size = None if height is None or width is None else (height, width)
        yield StoredImage(
            position.where,
            position.text(file, "file"),
            None,
            size,
            tuple(_box(*row, size) for row in group),
            frame=position.integer_or_none(frame, "frame"),
            index=position.integer_or_none(first.get("index"), "index"),
            time_s=None if first.get("time_s") is None else position.number(first["time_s"], "time_s"),
            complete=False,
        )


def _box(position: RecordPosition, row: Row, size_hw: tuple[int, int] | None) -> StoredBox:
    category_id = position.integer_or_none(row.get("category_id"), "category_id")
    label = row.get("label")
    if label is not None or category_id is None:
        label = position.text(label, "label")
    left, top, right, bottom = (position.coordinate(row[side], side) for side in _SIDES)
    is_thing = row.get("is_thing")
    return StoredBox(
        label,
        category_id,
        position.score(row["score"]),
        position.sides(left, top, right - left, bottom - top),
        position.mask(row.get("segmentation"), size_hw),
        position.integer_or_none(row.get("track_id"), "track_id"),
        _std(position, row),
        position.integer_or_none(row.get("label_id"), "label_id"),
        is_thing if isinstance(is_thing, bool) else None,
        (left, top, right, bottom),
    )


def _std(position: RecordPosition, row: Row) -> Box | None:
    if any(row.get(name) is None for name in _STD):
        return None
    return position.numbers([row[name] for name in _STD], "_std")


def parquet_damage() -> tuple[type[Exception], ...]:
    """What pyarrow raises for a file that is damaged, or has an encoding that it does not know."""
    arrow = optional_library("pyarrow", need="reading Parquet needs", install=install_command("parquet"))
    return arrow.ArrowException, OSError, UnicodeDecodeError, OverflowError


def damage_message(path: Path, error: Exception) -> str:
    """The message for what pyarrow raised."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return f"'{path}' is not Parquet, or is damaged: {reason[:200]}"


def _refuse(path: Path, error: Exception) -> NoReturn:
    raise InputError(damage_message(path, error)) from error


def _shown(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:8]) or "no columns"
    return shown + (", …" if len(names) > 8 else "")
