"""Reads CSV as `sinks/results/csv_table.py` writes it: one row per box, the rows of an image together."""

import csv
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from detcli.io.record_values import RecordPosition
from detcli.io.results.open_file import MAX_LINE_BYTES, opened
from detcli.io.results.stored import StoredBox, StoredImage

_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_NEEDED = ("file", "score", *_CORNERS)
_STD = tuple(f"{corner}_std" for corner in _CORNERS)
_FORMULA_STARTS = ("'=", "'+", "'-", "'@", "'\t", "'\r", "'\n")

Row = tuple[RecordPosition, Mapping[str, str]]


def read_csv(path: Path) -> Iterator[StoredImage]:
    """Read one image for each group of rows with the same file and frame; such files have no images without boxes.

    The apostrophe that `csv_safe` puts before a formula is removed.
    """
    with opened(path) as file:
        text = (line.decode("utf-8", "surrogateescape") for line in iter(lambda: file.readline(MAX_LINE_BYTES), b""))
        for (name, frame), rows in groupby(_rows(path, text), key=lambda row: (row[1]["file"], row[1].get("frame"))):
            group = list(rows)
            record, first = group[0]
            yield StoredImage(
                record.where,
                record.text(_unsafe(name), "file"),
                None,
                _size(record, first),
                tuple(_box(*row) for row in group),
                frame=int(record.parsed(frame, "frame")) if frame else None,
                time_s=record.parsed(first["time_s"], "time_s") if first.get("time_s") else None,
                complete=False,
            )


def _rows(path: Path, text: Iterator[str]) -> Iterator[Row]:
    reader = csv.reader(text)
    columns: list[str] | None = None
    try:
        for cells in reader:
            record = RecordPosition(path, f"line {reader.line_num}")
            if columns is None:
                columns = _columns(record, cells)
            elif len(cells) != len(columns):
                record.refuse(f"{len(cells)} cells, but the first line names {len(columns)} columns")
            else:
                yield record, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        RecordPosition(path, f"line {reader.line_num}").refuse(f"not CSV: {error}")
    if columns is None:
        RecordPosition(path, "line 1").refuse("an empty file; the first line must name the columns")


def _columns(record: RecordPosition, cells: list[str]) -> list[str]:
    columns = [cell.removeprefix("\ufeff").strip() for cell in cells]
    missing = [name for name in _NEEDED if name not in columns]
    missing += [] if {"label", "category_id"} & set(columns) else ["label"]
    if missing:
        record.refuse(f"column {', '.join(missing)} is missing; the first line must name the columns")
    return columns


def _size(record: RecordPosition, row: Mapping[str, str]) -> tuple[int, int] | None:
    if not row.get("height") or not row.get("width"):
        return None
    return int(record.parsed(row["height"], "height")), int(record.parsed(row["width"], "width"))


def _box(record: RecordPosition, row: Mapping[str, str]) -> StoredBox:
    label = _unsafe(row.get("label", "")) or None
    category = row.get("category_id")
    category_id = record.integer(record.parsed(category, "category_id"), "category_id") if category else None
    if label is None and category_id is None:
        record.refuse("it has neither a label nor a category_id")
    left, top, right, bottom = (record.parsed(row[corner], corner) for corner in _CORNERS)
    score = record.score(record.parsed(row["score"], "score"))
    track = row.get("track_id")
    track_id = record.integer(record.parsed(track, "track_id"), "track_id") if track else None
    std = [row[name] for name in _STD if row.get(name)]
    return StoredBox(
        label,
        category_id,
        score,
        record.sides(left, top, right - left, bottom - top),
        track_id=track_id,
        box_std=record.numbers([record.parsed(cell, "the standard deviation") for cell in std] or None, "_std"),
        corners=(left, top, right, bottom),
    )


def _unsafe(text: str) -> str:
    return text[1:] if text.startswith(_FORMULA_STARTS) else text
