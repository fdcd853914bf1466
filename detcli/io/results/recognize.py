"""Whether the first bytes of a file are those of a result format."""

import re

from detcli.io.documents import DocumentError, parse_json

_TASK = re.compile(rb'"data"\s*:\s*\{')
HEAD_BYTES = 1 << 16  # enough for the first line of almost every file


def is_jsonl(head: bytes) -> bool:
    """JSON Lines of detcli: the first line is a complete object with detections or provenance."""
    line = head.partition(b"\n")[0]
    try:
        record = parse_json(line)
    except DocumentError:
        return line.startswith((b'{"index":', b'{"detcli":'))  # a line longer than the head
    return isinstance(record, dict) and ("detections" in record or "detcli" in record)


def is_coco(head: bytes) -> bool:
    """COCO: one JSON object that is not a line of JSON Lines."""
    return head.startswith(b"{") and not is_jsonl(head)


def is_coco_results(head: bytes) -> bool:
    """COCO results: a JSON list that is not of tasks."""
    return head.startswith(b"[") and not is_label_studio(head)


def is_label_studio(head: bytes) -> bool:
    """Tasks of Label Studio: a JSON list of objects with `data`, which no result of COCO has."""
    return head.startswith(b"[") and _TASK.search(head) is not None and b'"image_id"' not in head


def is_csv(head: bytes) -> bool:
    """CSV of detcli: the first column is the file."""
    return head.startswith((b"file,", b'"file",'))


def is_parquet(head: bytes) -> bool:
    """Parquet: its magic number."""
    return head.startswith(b"PAR1")
