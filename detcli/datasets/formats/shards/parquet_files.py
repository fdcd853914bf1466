"""Opens the Parquet files of a dataset, and finds the columns of images and objects by their types."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from detcli.datasets.formats.shards.object_records import OBJECT_KEYS
from detcli.errors import DataError, ImageError
from detcli.extras import install_command
from detcli.io.read import opened
from detcli.io.results.readers.parquet import damage_message, parquet_damage
from detcli.libraries import optional_library

_CORNERS: Final = ("x_min", "y_min", "x_max", "y_max")
_NEED: Final = "reading Parquet needs"
_BATCH_ROWS: Final = 1000
_BUFFER_BYTES: Final = 1 << 20  # a column of images may have gigabytes in a row group


@dataclass(frozen=True, slots=True)
class ParquetColumns:
    """What the columns of a dataset hold.

    content  the column of the bytes of images, with "." before a field; empty if images are files
    name     the column of their names; empty if there is none
    objects  the column of the objects of each image; empty if each row is a box
    """

    content: str
    name: str
    objects: str


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Open a file, as `pyarrow.parquet.ParquetFile`. Raises DataError if it is damaged, and UsageError without pyarrow."""
    parquet = optional_library("pyarrow.parquet", need=_NEED, install=install_command("parquet"))
    try:
        with opened(path):  # a regular file that can be read
            pass
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as table:
            yield table
    except ImageError as error:
        raise DataError(f"cannot read '{path}': {error}") from error
    except parquet_damage() as error:
        raise DataError(damage_message(path, error)) from error


def find_columns(path: Path, table: Any) -> ParquetColumns:
    """The columns of a file. Raises DataError if they are not those of a dataset."""
    schema = table.schema_arrow
    content, name = _image_columns(schema)
    objects = next((key for key in OBJECT_KEYS if key in schema.names), "")
    has_boxes = {"file", *_CORNERS} <= set(schema.names)
    name = name or ("file" if "file" in schema.names else "")
    if (not objects and not has_boxes) or not (content or name):
        names = ", ".join(column[:40] for column in schema.names[:8]) or "no columns"
        raise DataError(
            f"'{path}' is Parquet of something else: data has images (`image` with bytes, or `file`) and their objects "
            f"(`objects`, `detections`, or the columns of boxes); this file has {names}"
        )
    return ParquetColumns(content, name, objects)


def read_rows(table: Any, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a file with only these columns; names that it lacks are skipped."""
    names = set(table.schema_arrow.names)
    kept = [column for column in columns if column.partition(".")[0] in names]
    for batch in table.iter_batches(_BATCH_ROWS, columns=kept, use_threads=False):
        yield from batch.to_pylist()


def has_content(table: Any, column: str) -> bool:
    """Whether a column of bytes has any value, as far as the statistics of the file say."""
    metadata = table.metadata
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(number)
            if chunk.path_in_schema == column:
                statistics = chunk.statistics
                if statistics is None or not statistics.has_null_count or statistics.null_count < chunk.num_values:
                    return True
    return False


def _image_columns(schema: Any) -> tuple[str, str]:
    """The columns of the bytes and the names of images; empty where there is none."""
    types = optional_library("pyarrow.types", need=_NEED, install=install_command("parquet"))
    of_bytes = (types.is_binary, types.is_large_binary, types.is_null)  # null: all images are files
    for name in sorted(schema.names, key=lambda name: name != "image"):
        kind = schema.field(name).type
        if any(is_kind(kind) for is_kind in of_bytes[:2]):
            return name, ""
        if types.is_struct(kind):
            fields = {field.name: field.type for field in (kind.field(number) for number in range(kind.num_fields))}
            content = fields.get("bytes")
            if content is not None and any(is_kind(content) for is_kind in of_bytes):
                return f"{name}.bytes", f"{name}.path" if "path" in fields else ""
    return "", ""
