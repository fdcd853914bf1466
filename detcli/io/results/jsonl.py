"""JSON Lines, as `sinks/jsonl.py` writes them: one record an image, lines of provenance skipped."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detcli.io.record_values import RecordPosition
from detcli.io.results.open_file import lines
from detcli.io.results.stored import StoredBox, StoredImage


def read_jsonl(path: Path) -> Iterator[StoredImage]:
    """One image a line, read as it is asked for."""
    for number, line in lines(path):
        place = RecordPosition(path, f"line {number}")
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            place.refuse(f"not a whole line of JSON: {error}")
        record = place.mapping(value)
        if "detcli" not in record:
            yield _image(place, record)


def _image(place: RecordPosition, record: Mapping[str, Any]) -> StoredImage:
    file = place.text(record.get("file"), "file")
    frame = place.whole_or_none(record.get("frame"), "frame")
    if record.get("error") is not None:
        message = str(place.mapping(record["error"]).get("message"))
        return StoredImage(place.where, file, None, None, None, message, frame)
    found = record.get("detections")
    if not isinstance(found, list):
        place.refuse("it has no list of detections, and no error that says why")
    height, width = (place.whole_or_none(record.get(side), side) for side in ("height", "width"))
    size = None if height is None or width is None else (height, width)
    boxes = tuple(_box(place, place.mapping(entry), size) for entry in found)
    return StoredImage(place.where, file, None, size, boxes, frame=frame)


def _box(place: RecordPosition, found: Mapping[str, Any], size_hw: tuple[int, int] | None) -> StoredBox:
    category_id = place.whole_or_none(found.get("category_id"), "category_id")
    label = found.get("label")
    if label is not None or category_id is None:
        label = place.text(label, "label")
    score, box = place.number(found.get("score"), "score"), place.box(found.get("bbox"))
    mask = place.mask(found.get("segmentation"), size_hw)
    return StoredBox(label, category_id, score, box, mask, place.whole_or_none(found.get("track_id"), "track_id"))
