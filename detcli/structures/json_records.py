"""The canonical record of one frame as JSON, and back: every other format converts from it."""

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
    """The record of a frame; numbers are the shortest that read back as the same float32.

    What has a mask has a `segment_id` too, from 1 in each image: what stands for it in images of ids. What belongs to
    a track has its `track_id`, the same in every frame.
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
    found = detection_records(detections, labels)
    return record | {"width": width, "height": height, "detections": found, "error": None}


def from_record(record: Mapping[str, Any], *, relative: str, stem: str) -> Result:
    """The frame (without pixels) and its detections that `to_record` wrote down.

    A record may carry `boxes_xyxy` [N][4] too, the corners in full precision, as the journal's do.
    """
    origin = Origin(record["index"], record["file"], relative, stem, record.get("frame"), record.get("time_s"))
    if record["error"] is not None:
        code = cast("ImageErrorCode", record["error"]["code"])
        failed = FailedFrame(origin, code, record["error"]["message"])
        return failed, failed
    found = record["detections"]
    if "boxes_xyxy" in record:
        boxes = np.array(record["boxes_xyxy"], np.float64).reshape(-1, 4)
    else:
        boxes = np.array([d["bbox"] for d in found], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
    scores = np.array([d["score"] for d in found], np.float32)
    class_ids = np.array([d["label_id"] for d in found], np.int64)
    frame = Frame(origin, (record["height"], record["width"]), pixels=None)
    has_masks = bool(found) and all("segmentation" in d for d in found)
    masks = tuple(Rle.from_json(d["segmentation"]) for d in found) if has_masks else None
    has_tracks = bool(found) and all("track_id" in d for d in found)
    track_ids = np.array([d["track_id"] for d in found], np.int64) if has_tracks else None
    return frame, Detections(boxes, scores, class_ids, masks, track_ids)


def boxes_xywh(detections: Detections) -> list[list[float]]:
    """Boxes as COCO writes them: left, top, width, height."""
    boxes = detections.boxes_xyxy.copy()
    boxes[:, 2:] -= boxes[:, :2]
    flat = shortest(boxes.reshape(-1))
    return [flat[i : i + 4] for i in range(0, len(flat), 4)]


def json_line(value: object) -> bytes:
    r"""One line of strict JSON in UTF-8; a byte of a file name that is not UTF-8 stands as \udcXX.

    Python's json reads such an escape back into the very name (`os.fsencode`). Raises ValueError on NaN.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"
