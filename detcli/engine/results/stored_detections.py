"""A stored image as a frame with detections, as sinks take them."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from detcli.engine.results.class_table import ClassTable
from detcli.errors import ImageErrorCode
from detcli.io.results.stored import StoredBox, StoredImage
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import Result


def to_result(image: StoredImage, origin: Origin, classes: ClassTable, labels: ClassLabels) -> Result:
    """The frame (without pixels) and the detections of a stored image.

    Numbers are rounded to the float32 that their text stands for, so that writing them again gives the same text.
    """
    if image.boxes is None:
        code = cast("ImageErrorCode", image.code or "decode-failed")
        failed = FailedFrame(origin, code, image.error or "it failed")
        return failed, failed
    boxes = image.boxes
    masks = tuple(box.mask for box in boxes if box.mask is not None)
    tracks = [box.track_id for box in boxes if box.track_id is not None]
    std = [box.box_std for box in boxes if box.box_std is not None]
    detections = Detections(
        _corners(boxes),
        np.array([box.score for box in boxes], np.float32),
        np.array([classes.index(box) for box in boxes], np.int64),
        masks or None,
        np.array(tracks, np.int64) if tracks else None,
        labels,
        np.array(std, np.float64) if std else None,
    )
    return Frame(origin, image.size_hw or (0, 0), pixels=None), detections


def _corners(boxes: Sequence[StoredBox]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Left, top, right, bottom, [N, 4]: those of the file, or the sums of its float32 numbers."""
    corners = np.array([box.bbox for box in boxes], np.float32).astype(np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    for row, box in enumerate(boxes):
        if box.corners is not None:
            corners[row] = box.corners
    return corners
