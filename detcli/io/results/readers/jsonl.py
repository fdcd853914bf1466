"""Reads JSON Lines as `sinks/results/jsonl.py` writes them: one record per image; provenance lines are skipped."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detcli.io.documents import DocumentError, parse_json
from detcli.io.record_values import RecordPosition
from detcli.io.results.open_file import lines
from detcli.io.results.stored import StoredBox, StoredImage, known_code


def read_jsonl(path: Path) -> Iterator[StoredImage]:
    """Read one image per line, lazily."""
    for number, line in lines(path):
        position = RecordPosition(path, f"line {number}")
        try:
            value = parse_json(line)
        except DocumentError as error:
            position.refuse(f"not a complete line of JSON: {error}")
        record = position.mapping(value)
        if "detcli" not in record:
            yield image_of_record(position, record)


def image_of_record(position: RecordPosition, record: Mapping[str, Any]) -> StoredImage:
    """The image of a JSON record, or of a row with the same fields. Raises RecordError."""
    file = position.text(record.get("file"), "file")
    frame = position.integer_or_none(record.get("frame"), "frame")
    index = position.integer_or_none(record.get("index"), "index")
    time_s = None if record.get("time_s") is None else position.number(record["time_s"], "time_s")
    if record.get("error") is not None:
        error = position.mapping(record["error"])
        message, code = str(error.get("message")), error.get("code")
        return StoredImage(
            position.where, file, None, None, None, message, frame, index=index, time_s=time_s, code=known_code(code)
        )
    detections = record.get("detections")
    if not isinstance(detections, list):
        position.refuse("it has neither a list of detections nor an error")
    height, width = (position.integer_or_none(record.get(side), side) for side in ("height", "width"))
    size = None if height is None or width is None else (height, width)
    boxes = tuple(_box(position, position.mapping(entry), size) for entry in detections)
    return StoredImage(position.where, file, None, size, boxes, frame=frame, index=index, time_s=time_s)


def _box(position: RecordPosition, detections: Mapping[str, Any], size_hw: tuple[int, int] | None) -> StoredBox:
    value = detections.get
    category_id = position.integer_or_none(value("category_id"), "category_id")
    label, is_thing = value("label"), value("is_thing")
    if label is not None or category_id is None:
        label = position.text(label, "label")
    return StoredBox(
        label,
        category_id,
        position.score(value("score")),
        position.box(value("bbox")),
        position.mask(value("segmentation"), size_hw),
        position.integer_or_none(value("track_id"), "track_id"),
        position.numbers(value("bbox_std"), "bbox_std"),
        position.integer_or_none(value("label_id"), "label_id"),
        is_thing if isinstance(is_thing, bool) else None,
    )
