"""Which format results are in: by the suffix, and where that leaves it open by the first bytes."""

import json
from pathlib import Path

from detcli.errors import UsageError
from detcli.io.results.open_file import opened

RESULT_FORMATS = ("jsonl", "coco", "coco-results", "csv", "yolo")
_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_HEAD_BYTES = 1 << 16


def format_of_results(path: Path) -> str:
    """One of RESULT_FORMATS. Raises UsageError for a file that is not there, or looks like none of them."""
    if path.is_dir():
        return "yolo"
    with opened(path) as file:
        head = file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    by_suffix = _BY_SUFFIX.get(path.suffix.lower())
    if by_suffix is not None:
        return by_suffix
    if head.startswith(b"["):
        return "coco-results"
    if head.startswith(b"{"):
        return "jsonl" if _is_record(head.partition(b"\n")[0]) else "coco"
    if head.startswith((b"file,", b'"file",')):
        return "csv"
    raise UsageError(
        f"cannot tell the format of '{path}' from its name or its first bytes: name it with "
        f"--results-format {'|'.join(RESULT_FORMATS)}"
    )


def _is_record(line: bytes) -> bool:
    """Whether a line is JSON by itself, of the kind that JSON Lines of detcli begin with."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return line.startswith((b'{"index":', b'{"detcli":'))  # longer than what was looked at
    return isinstance(record, dict) and ("detections" in record or "detcli" in record)
