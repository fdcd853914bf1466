"""Checks the records of a journal, whose lines may be damaged or changed since they were written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detcli.errors import IMAGE_ERROR_CODES
from detcli.io.record_values import RecordError, RecordPosition

_MAX_SIDE = 2**31
_MAX_INTEGER = 2**53


def is_valid_record(value: Mapping[str, Any], *, classes: int) -> bool:
    """Whether `from_record` can read the record, and every value has the type and the range that `to_record` writes.

    classes  number of classes of the model
    """
    position = RecordPosition(Path(), "")
    try:
        _check(position, value, classes)
    except RecordError:
        return False
    return True


def _check(position: RecordPosition, record: Mapping[str, Any], classes: int) -> None:
    _check_integer(position, record.get("index"), 0, _MAX_INTEGER)
    for name in ("file", "relative", "stem"):
        if not isinstance(record.get(name), str):
            position.refuse(name)
    if record.get("frame") is not None:
        _check_integer(position, record["frame"], 0, _MAX_INTEGER)
    if record.get("time_s") is not None:
        position.number(record["time_s"], "time_s")
    if "error" not in record:
        position.refuse("error")
    if record["error"] is not None:
        _check_error(position, record["error"])
        return
    for side in ("height", "width"):
        _check_integer(position, record.get(side), 1, _MAX_SIDE)
    detections = record.get("detections")
    if not isinstance(detections, list):
        position.refuse("detections")
    size_hw = (record["height"], record["width"])
    for detection in detections:
        _check_detection(position, position.mapping(detection), classes, size_hw)
    for name in ("segmentation", "track_id", "bbox_std"):  # all detections of an image have one, or none has
        if len({name in detection for detection in detections}) > 1:
            position.refuse(name)
    _check_corners(position, record.get("boxes_xyxy"), len(detections))


def _check_error(position: RecordPosition, error: Any) -> None:
    fields = position.mapping(error)
    if fields.get("code") not in tuple(IMAGE_ERROR_CODES) or not isinstance(fields.get("message"), str):
        position.refuse("error")


def _check_detection(
    position: RecordPosition, detection: Mapping[str, Any], classes: int, size_hw: tuple[int, int]
) -> None:
    _check_integer(position, detection.get("label_id"), 0, classes - 1)
    score = position.number(detection.get("score"), "score")
    if not 0 <= score <= 1:
        position.refuse("score")
    if "track_id" in detection:
        _check_integer(position, detection["track_id"], 0, _MAX_INTEGER)
    if "bbox_std" in detection:
        _check_std(position, detection["bbox_std"])
    if "segmentation" in detection and position.mask(detection["segmentation"], size_hw) is None:
        position.refuse("segmentation")


def _check_std(position: RecordPosition, std: Any) -> None:
    if not isinstance(std, list) or len(std) != 4 or any(position.number(side, "bbox_std") < 0 for side in std):
        position.refuse("bbox_std")


def _check_corners(position: RecordPosition, boxes: Any, count: int) -> None:
    if not isinstance(boxes, list) or len(boxes) != count:
        position.refuse("boxes_xyxy")
    for box in boxes:
        if not isinstance(box, list) or len(box) != 4:
            position.refuse("boxes_xyxy")
        left, top, right, bottom = _numbers(position, box)
        position.sides(left, top, right - left, bottom - top)


def _numbers(position: RecordPosition, values: Sequence[Any]) -> list[float]:
    return [position.coordinate(value, "boxes_xyxy") for value in values]


def _check_integer(position: RecordPosition, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        position.refuse("integer")
