"""Crops: one image per box, in one folder per class, for example to train a classifier."""

import math
from pathlib import Path

import numpy as np

from detcli.io.output_paths import label_folder
from detcli.sinks.folders.output_folder import OutputFolder, as_output_folder
from detcli.sinks.images.encode_image import encode, encode_png
from detcli.sinks.sink import BaseSink
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_LOSSLESS = ("PNG", "BMP", "TIFF", "GIF", "PPM")


class Crops(BaseSink):
    """Writes `folder/label/stem_001.jpg`, numbered by descending score; PNG if the original is lossless.

    The pixels are those of the original; a box is enlarged to integer pixels. A frame without pixels, from the journal
    of a resumed run, already has its crops and is skipped.

    skip_existing  do not overwrite existing crops
    """

    ordered = False
    needs_pixels = True

    def __init__(self, folder: OutputFolder | Path, labels: ClassLabels, *, skip_existing: bool = False) -> None:
        self._folder = as_output_folder(folder)
        self._folders = [label_folder(name) for name in labels.names]
        self._skip_existing = skip_existing

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the crops of one image; safe in any thread."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame) or frame.pixels is None:
            return
        lossless = frame.metadata is not None and frame.metadata.format in _LOSSLESS
        boxes = zip(detections.boxes_xyxy.tolist(), detections.class_ids.tolist(), strict=True)
        for number, (box, class_id) in enumerate(boxes, 1):
            name = f"{self._folders[class_id]}/{frame.origin.stem}_{number:03}"
            suffix = ".png" if lossless else ".jpg"
            if self._skip_existing and self._folder.has(name + suffix):
                continue
            rows, columns = _pixel_range(box, frame.size_hw)
            crop = np.ascontiguousarray(frame.pixels[rows, columns])
            data = None if lossless else encode(crop, "JPEG")
            if data is None:
                data, suffix = encode_png(crop), ".png"
            self._folder.write(name + suffix, data)


def _pixel_range(box: list[float], size_hw: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns that a box touches: at least one of each, inside the image."""
    height, width = size_hw
    left, top = min(max(math.floor(box[0]), 0), width - 1), min(max(math.floor(box[1]), 0), height - 1)
    right, bottom = min(max(math.ceil(box[2]), left + 1), width), min(max(math.ceil(box[3]), top + 1), height)
    return slice(top, bottom), slice(left, right)
