"""YOLO labels: one text file per image, `class cx cy w h score` per line, relative to width and height.

Without scores, `class cx cy w h`, they are a dataset with images, data.yaml and lists: see `yolo_dataset_files.py`.

With tracking, the track id follows. `classes.txt` lists the class names by line. The file of an image without boxes is
empty; a failed image has no file.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from detcli.errors import UsageError
from detcli.io.atomic_write import to_bytes
from detcli.io.outputs import is_stream
from detcli.sinks.results.yolo_dataset_files import YoloDatasetFiles
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame

# Images whose labels would overwrite the list of class names: `classes.jpg` gets `classes.jpg.txt`. So does
# `classes.a.jpg`, so that no two images share a file.
_RESERVED_STEM = re.compile(r"classes(\..*)?", re.IGNORECASE | re.DOTALL)


class YoloLabels(BaseSink):
    """Writes a folder of text files with the folder structure of the input."""

    ordered = False
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        if not isinstance(target, Path) or is_stream(target):
            raise UsageError("YOLO labels need a folder: name it in `outputs`")
        self._skip_existing = settings.skip_existing
        self._dataset = None
        if settings.no_scores:
            self._dataset = YoloDatasetFiles(target, settings.folders, settings.info.labels.names)
            return
        self._folder = settings.folders.open(target)
        names = (" ".join(name.split()) for name in settings.info.labels.names)
        self._folder.write("classes.txt", b"".join(to_bytes(name) + b"\n" for name in names))

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the labels of one image; safe in any thread."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            return
        origin = frame.origin
        if self._dataset is not None:
            rows = _lines(detections, frame.size_hw, scores=False)
            self._dataset.add(origin, rows, skip_existing=self._skip_existing)
            return
        stem = origin.relative if _RESERVED_STEM.fullmatch(origin.stem) else origin.stem
        if not (self._skip_existing and self._folder.has(stem + ".txt")):
            self._folder.write(stem + ".txt", _lines(detections, frame.size_hw))

    def close(self, *, complete: bool) -> None:
        """Write what belongs to a dataset; of an interrupted run too, which has its first images."""
        if self._dataset is not None:
            self._dataset.close()

    @property
    def remarks(self) -> Sequence[str]:
        """Images that the dataset lacks."""
        return () if self._dataset is None else self._dataset.remarks


def _lines(detections: Detections, size_hw: tuple[int, int], *, scores: bool = True) -> bytes:
    height, width = size_hw
    x_min, y_min, x_max, y_max = detections.boxes_xyxy.T
    columns = (
        (x_min + x_max) / 2 / width,
        (y_min + y_max) / 2 / height,
        (x_max - x_min) / width,
        (y_max - y_min) / height,
        *([detections.scores] if scores else []),
    )
    numbers = np.stack(columns, axis=1)  # [N, 4 or 5]
    count = numbers.shape[1]
    cells = shortest(numbers.reshape(-1))
    tracks = [""] * len(detections)
    if detections.track_ids is not None and scores:
        tracks = [f" {track_id}" for track_id in detections.track_ids.tolist()]
    return b"".join(
        f"{class_id} {' '.join(map(str, cells[count * i : count * (i + 1)]))}{tracks[i]}\n".encode()
        for i, class_id in enumerate(detections.class_ids.tolist())
    )
