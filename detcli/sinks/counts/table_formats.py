"""The formats of tables of counts and events, by the suffix of the file."""

from pathlib import Path
from typing import Literal

from detcli.errors import UsageError
from detcli.io.outputs import is_stream

TableFormat = Literal["csv", "jsonl"]
_BY_SUFFIX: dict[str, TableFormat] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def table_format(path: Path) -> TableFormat:
    """The format of a file; a stream without a suffix gets CSV. Raises UsageError for another suffix."""
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None and not path.suffix and is_stream(path):
        return "csv"
    if found is None:
        raise UsageError(f"'{path}' must be a .csv or a .jsonl file: counts and events are written in these formats")
    return found
