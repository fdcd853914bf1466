"""Reads the rows of the Parquet files of a dataset, without the contents of images, as records of objects."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detcli.datasets.formats.shards.huggingface_features import feature_class_names
from detcli.datasets.formats.shards.parquet_files import (
    ParquetColumns,
    find_columns,
    has_content,
    open_parquet,
    read_rows,
)
from detcli.datasets.issues import IssueReport
from detcli.errors import DataError
from detcli.io.results.utf8_names import from_utf8

_BOX_COLUMNS = ("label", "label_id", "category_id", "score", "x_min", "y_min", "x_max", "y_max", "segmentation")
_SIZE = ("width", "height")


@dataclass(frozen=True, slots=True)
class ParquetRow:
    """An image.

    name    of the image
    source  its row, for messages
    record  its objects, and its size if it is known
    """

    name: str
    source: str
    record: dict[str, Any]


@dataclass(slots=True)
class ParquetRows:
    """The images of all files.

    column       of the contents of the images; empty if they are files
    group_rows   number of rows of each group of rows, by file
    class_names  names of the numbered classes; empty if the files have none
    """

    column: str = ""
    rows: list[ParquetRow] = field(default_factory=list)
    group_rows: list[list[int]] = field(default_factory=list)
    class_names: tuple[str, ...] = ()


def read_parquet_rows(files: Sequence[Path], issues: IssueReport) -> ParquetRows:
    """Read all files. Raises DataError if one is damaged, or has other columns than the first one."""
    found = ParquetRows()
    first: ParquetColumns | None = None
    for file in files:
        with open_parquet(file) as table:
            columns = find_columns(file, table)
            if columns.content and columns.name and not has_content(table, columns.content):
                columns = replace(columns, content="")
            first = first or columns
            if columns != first:
                raise DataError(f"'{file}' has other columns than '{files[0]}': convert the files to one form")
            found.class_names = found.class_names or feature_class_names(table.schema_arrow.metadata, columns.objects)
            metadata = table.metadata
            found.group_rows.append([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])
            found.rows += _rows(file, table, columns, issues)
    if first is not None and first.content:
        found.column = first.content
        _make_unique(found.rows, files, found.group_rows)
    if not found.rows:
        issues.reject("it has no rows")
    return found


def _rows(file: Path, table: Any, columns: ParquetColumns, issues: IssueReport) -> Iterator[ParquetRow]:
    wanted = [*_SIZE, "frame", "error", *([columns.objects] if columns.objects else _BOX_COLUMNS)]
    rows = read_rows(table, [*wanted, *([columns.name] if columns.name else [])])
    images = enumerate(rows, 1) if columns.objects else _grouped(rows)
    failed = []
    for number, row in images:
        source = f"{file}, row {number}"
        if row.get("frame") is not None:
            raise DataError(f"'{source}' is a frame of a video: save the frames as images first")
        if row.get("error") is not None and not columns.content:
            failed.append(f"'{source}'")
            continue
        yield ParquetRow(_name(row, columns, number), source, row)
    issues.add(len(failed), "row{s} of images that failed {were} skipped", failed)


def _name(row: dict[str, Any], columns: ParquetColumns, number: int) -> str:
    column, _, inner = columns.name.partition(".")
    value = row.get(column)
    name = value.get(inner) if isinstance(value, dict) else value
    return from_utf8(name) if isinstance(name, str) and name else f"{number:06d}"


def _grouped(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of boxes as rows of images, each with the number of its first row; rows may be in any order."""
    images: dict[Any, tuple[int, dict[str, Any]]] = {}
    for number, row in enumerate(rows, 1):
        _, image = images.setdefault(row.get("file"), (number, {**row, "detections": []}))
        image["detections"].append(_as_object(row))
    yield from images.values()


def _as_object(row: dict[str, Any]) -> dict[str, Any]:
    left, top, right, bottom = (row.get(side) for side in ("x_min", "y_min", "x_max", "y_max"))
    known = all(isinstance(side, float | int) for side in (left, top, right, bottom))
    return {**row, "bbox": [left, top, right - left, bottom - top] if known else None}  # type: ignore[operator]


def _make_unique(rows: list[ParquetRow], files: Sequence[Path], group_rows: Sequence[Sequence[int]]) -> None:
    """Name images after their file and row where two of them have the same name."""
    counts = Counter(row.name for row in rows)
    if max(counts.values(), default=0) <= 1:
        return
    start = 0
    for file, groups in zip(files, group_rows, strict=True):
        end = start + sum(groups)
        rows[start:end] = [
            replace(row, name=f"{file.stem}/{number:06d}") for number, row in enumerate(rows[start:end], 1)
        ]
        start = end
