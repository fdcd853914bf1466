"""The images in a column of Parquet files, read by index: a group of rows is copied to a temporary file at its first use.

Parquet is read in groups of rows, which may have gigabytes: reading a group for each image would take hours, and keeping all of
them would need the memory for it. The temporary file has no name and vanishes with the process.
"""

import tempfile
import weakref
from array import array
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np

from detcli.datasets.formats.shards.parquet_files import open_parquet
from detcli.errors import ImageError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.images.limits import MAX_IMAGE_BYTES

_BATCH_ROWS: Final = 16
_NAME: Final = "a temporary file for the images of Parquet"


class SpooledImages:
    """The contents of a column, in the order of the files and their rows. Thread-safe.

    column     of bytes; "image.bytes" for a field of a column
    group_rows  numbers of rows of each group of rows, by file
    """

    def __init__(self, files: Sequence[Path], column: str, group_rows: Sequence[Sequence[int]]) -> None:
        self._files, self._column = files, column
        self._groups = [(file, group) for file, rows in enumerate(group_rows) for group in range(len(rows))]
        self._ends = np.cumsum([count for rows in group_rows for count in rows], dtype=np.int64)
        count = int(self._ends[-1]) if len(self._ends) else 0
        self._starts, self._sizes = array("q", bytes(8 * count)), array("q", [-1]) * count
        self._lock = Lock()
        with os_errors_as_output_errors(_NAME):
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the dataset
        weakref.finalize(self, self._spool.close)
        self._end = 0

    def read(self, index: int) -> bytes:
        """The content of an image. Raises ImageError if it has none, OutputError without space for the temporary file."""
        with self._lock:
            if self._sizes[index] < 0:
                self._copy_group(int(np.searchsorted(self._ends, index, side="right")))
            size = self._sizes[index]
            if size == 0:
                raise ImageError("empty", "its row has no image")
            if size > MAX_IMAGE_BYTES:
                raise ImageError("too-large", f"{size:,} bytes are more than the limit of {MAX_IMAGE_BYTES:,}")
            self._spool.seek(self._starts[index])
            return self._spool.read(size)

    def _copy_group(self, number: int) -> None:
        file, group = self._groups[number]
        index = int(self._ends[number - 1]) if number else 0
        with open_parquet(self._files[file]) as table:
            batches = table.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[self._column], use_threads=False)
            for batch in batches:
                for value in _values(batch, self._column):
                    self._add(index, value)
                    index += 1

    def _add(self, index: int, value: bytes | None) -> None:
        data = value or b""
        with os_errors_as_output_errors(_NAME):
            self._spool.seek(self._end)
            self._spool.write(data)
        self._starts[index], self._sizes[index] = self._end, len(data)
        self._end += len(data)


def _values(batch: Any, column: str) -> list[bytes | None]:
    name, _, field = column.partition(".")
    values = batch.column(name).to_pylist()
    return [value.get(field) if isinstance(value, dict) else value for value in values]
