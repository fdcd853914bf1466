"""The JSON record of one frame, and back. The other result formats are derived from it."""

import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from detcli.errors import ImageErrorCode
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections, detection_records
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.masks import Rle

Record = dict[str, Any]
Result = tuple[Frame, Detections] | tuple[FailedFrame, FailedFrame]


def to_record(frame: Frame | FailedFrame, detections: Detections | FailedFrame, labels: ClassLabels) -> Record:
    """The record of a frame; numbers have the fewest digits that read back as the same float32.

    A detection with a mask has a `segment_id`, counted from 1 in each image, which is its value in label maps. A tracked
    object has the same `track_id` in every frame. With uncertainty, there is `bbox_std`.
    """
    origin = frame.origin
    record: Record = {"index": origin.index, "file": origin.file}
    if origin.frame is not None:
        record |= {"frame": origin.frame, "time_s": origin.time_s}
    if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
        failed = frame if isinstance(frame, FailedFrame) else cast("FailedFrame", detections)
        error = {"code": failed.code, "message": failed.message}
        return record | {"width": None, "height": None, "detections": None, "error": error}
    height, width = frame.size_hw
    detection_list = detection_records(detections, labels)
    return record | {"width": width, "height": height, "detections": detection_list, "error": None}


def from_record(record: Mapping[str, Any], *, relative: str, stem: str, source: str = "") -> Result:
    """The frame (without pixels) and the detections of a record that `to_record` made.

    A record may also have `boxes_xyxy` [N][4], the corners in full precision, as those of the journal do.
    """
    origin = Origin(record["index"], record["file"], relative, stem, record.get("frame"), record.get("time_s"), source)
    if record["error"] is not None:
        code = cast("ImageErrorCode", record["error"]["code"])
        failed = FailedFrame(origin, code, record["error"]["message"])
        return failed, failed
    detection_list = record["detections"]
    if "boxes_xyxy" in record:
        boxes = np.array(record["boxes_xyxy"], np.float64).reshape(-1, 4)
    else:
        boxes = np.array([d["bbox"] for d in detection_list], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
    scores = np.array([d["score"] for d in detection_list], np.float32)
    class_ids = np.array([d["label_id"] for d in detection_list], np.int64)
    frame = Frame(origin, (record["height"], record["width"]), pixels=None)
    has_masks = bool(detection_list) and all("segmentation" in d for d in detection_list)
    masks = tuple(Rle.from_json(d["segmentation"]) for d in detection_list) if has_masks else None
    has_tracks = bool(detection_list) and all("track_id" in d for d in detection_list)
    track_ids = np.array([d["track_id"] for d in detection_list], np.int64) if has_tracks else None
    has_std = bool(detection_list) and all("bbox_std" in d for d in detection_list)
    box_std = np.array([d["bbox_std"] for d in detection_list], np.float64) if has_std else None
    return frame, Detections(boxes, scores, class_ids, masks, track_ids, box_std=box_std)


def boxes_xywh(detections: Detections) -> list[list[float]]:
    """Boxes as COCO writes them: left, top, width, height."""
    boxes = detections.boxes_xyxy.copy()
    boxes[:, 2:] -= boxes[:, :2]
    flat = shortest(boxes.reshape(-1))
    return [flat[i : i + 4] for i in range(0, len(flat), 4)]


def json_line(value: object) -> bytes:
    r"""One line of strict JSON in UTF-8; a byte of a file name that is not UTF-8 becomes \udcXX.

    Python's json reads this escape back to the same name (`os.fsencode`). Raises ValueError for NaN.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"
