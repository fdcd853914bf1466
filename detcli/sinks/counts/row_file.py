"""A file of rows: CSV with a header row, or JSON Lines with an object for each row; grows while the run goes on."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from detcli.io.atomic_write import to_bytes
from detcli.io.outputs import open_output
from detcli.sinks.counts.table_formats import table_format
from detcli.structures.json_records import json_line

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class RowFile:
    """Writes rows as mappings of column names to values.

    target      a path, whose suffix decides the format, or an open binary stream, which gets CSV
    columns     of CSV, in their order; JSON Lines have the entries of each row
    safe        CSV: put an apostrophe before text that a spreadsheet would execute as a formula
    whole_file  the file gets its name when it is complete; otherwise it grows
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        columns: Sequence[str],
        *,
        safe: bool = False,
        whole_file: bool = False,
    ) -> None:
        chosen = table_format(target) if isinstance(target, Path) else "csv"
        self._columns, self._safe = (columns if chosen == "csv" else None), safe
        self._output = open_output(target, in_place=not whole_file)
        if self._columns is not None:
            self._write_cells(self._columns)

    def write(self, row: Mapping[str, object]) -> None:
        """Write one row; in CSV, a missing entry is an empty cell."""
        if self._columns is None:
            self._output.write(json_line(row))
        else:
            self._write_cells([self._cell(row.get(name)) for name in self._columns])

    def flush(self) -> None:
        """Write every row so far to the file."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Write the remaining rows; `complete` is False after an interrupted run."""
        self._output.commit(complete=complete)

    def abort(self) -> None:
        """Stop after an error; the rows that were flushed stay."""
        self._output.discard()

    def _cell(self, value: object) -> object:
        return f"'{value}" if self._safe and isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value

    def _write_cells(self, cells: Sequence[object]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerow(cells)
        self._output.write(to_bytes(text.getvalue()))
