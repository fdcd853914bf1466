"""CSV, as `sinks/csv_table.py` writes it: one row a box, the rows of an image one after the other."""

import csv
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from detcli.io.record_values import RecordPosition
from detcli.io.results.open_file import MOST_BYTES_A_LINE, opened
from detcli.io.results.stored import StoredBox, StoredImage

_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_NEEDED = ("file", "score", *_CORNERS)
_FORMULA_STARTS = ("'=", "'+", "'-", "'@", "'\t", "'\r", "'\n")

Row = tuple[RecordPosition, Mapping[str, str]]


def read_csv(path: Path) -> Iterator[StoredImage]:
    """One image for each run of rows with the same file and frame; images without boxes are not in such a file.

    An apostrophe that `--csv-safe` put before a formula is taken off.
    """
    with opened(path) as file:
        text = (line.decode("utf-8", "surrogateescape") for line in iter(lambda: file.readline(MOST_BYTES_A_LINE), b""))
        for (name, frame), rows in groupby(_rows(path, text), key=lambda row: (row[1]["file"], row[1].get("frame"))):
            found = list(rows)
            place, first = found[0]
            yield StoredImage(
                place.where,
                place.text(_unsafe(name), "file"),
                None,
                _size(place, first),
                tuple(_box(*row) for row in found),
                frame=int(place.parsed(frame, "frame")) if frame else None,
                whole=False,
            )


def _rows(path: Path, text: Iterator[str]) -> Iterator[Row]:
    reader = csv.reader(text)
    columns: list[str] | None = None
    try:
        for cells in reader:
            place = RecordPosition(path, f"line {reader.line_num}")
            if columns is None:
                columns = _columns(place, cells)
            elif len(cells) != len(columns):
                place.refuse(f"{len(cells)} cells, where the first line names {len(columns)} columns")
            else:
                yield place, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        RecordPosition(path, f"line {reader.line_num}").refuse(f"not CSV: {error}")
    if columns is None:
        RecordPosition(path, "line 1").refuse(
            "an empty file; even a table without boxes has a first line that names columns"
        )


def _columns(place: RecordPosition, cells: list[str]) -> list[str]:
    columns = [cell.removeprefix("\ufeff").strip() for cell in cells]
    missing = [name for name in _NEEDED if name not in columns]
    missing += [] if {"label", "category_id"} & set(columns) else ["label"]
    if missing:
        place.refuse(f"there is no column {', '.join(missing)}; detcli's tables begin with a line that names them")
    return columns


def _size(place: RecordPosition, row: Mapping[str, str]) -> tuple[int, int] | None:
    if not row.get("height") or not row.get("width"):
        return None
    return int(place.parsed(row["height"], "height")), int(place.parsed(row["width"], "width"))


def _box(place: RecordPosition, row: Mapping[str, str]) -> StoredBox:
    label = _unsafe(row.get("label", "")) or None
    category = row.get("category_id")
    category_id = place.whole(place.parsed(category, "category_id"), "category_id") if category else None
    if label is None and category_id is None:
        place.refuse("it has neither a label nor a category_id")
    left, top, right, bottom = (place.parsed(row[corner], corner) for corner in _CORNERS)
    score = place.parsed(row["score"], "score")
    track = row.get("track_id")
    track_id = place.whole(place.parsed(track, "track_id"), "track_id") if track else None
    return StoredBox(label, category_id, score, place.sides(left, top, right - left, bottom - top), track_id=track_id)


def _unsafe(text: str) -> str:
    return text[1:] if text.startswith(_FORMULA_STARTS) else text
