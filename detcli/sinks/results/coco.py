"""COCO results: annotations with provenance in one document, or the list of results that AP is computed from.

Both have run-length encoded masks if there are masks, as pycocotools reads them, and track ids if there are tracks, which
pycocotools ignores.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from detcli.io.coco.coco_writer import coco_result
from detcli.io.outputs import open_output
from detcli.sinks.results.coco_document import CocoDocument
from detcli.sinks.results.coco_image_ids import CocoImageIds
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Record, json_line, to_record

_POSITIONS = (
    "the image ids in the COCO results are positions in the input, from 1, not ids of annotations, and the file has no names of "
    "images: to evaluate it, detect with `ground_truth`, which gives the ids of the annotations"
)


class CocoAnnotations(BaseSink):
    """The full document: info, images, annotations with their scores, categories.

    Every annotation has `iscrowd` and `area`: the area of its mask, or of its box if it has no mask.
    """

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._labels = settings.info.labels
        self._document = CocoDocument(target, settings)

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Add one image and its detections."""
        record = to_record(frame, detections, self._labels)
        image_id = self._document.add_image(frame.origin, record)
        if image_id is None or isinstance(detections, FailedFrame):
            return
        for detection, area in zip(record["detections"], _areas(detections, record), strict=True):
            self._document.add_detection(image_id, detection, area=area)

    def close(self, *, complete: bool) -> None:
        """Write the document and rename it into place."""
        self._document.close(complete=complete)

    def abort(self) -> None:
        """Discard the new file; an earlier file stays as it is."""
        self._document.abort()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for the user at the end of the run."""
        return self._document.remarks


class CocoResults(BaseSink):
    """The list that pycocotools' `loadRes` reads, of boxes or masks; valid JSON also if it is empty.

    With given image ids, an image without an id is left out: an unknown image id would stop the evaluation.
    """

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._labels = settings.info.labels
        self._image_ids = CocoImageIds(settings.image_ids)
        self._output = open_output(target, in_place=False)
        self._output.write(b"[")
        self._between = b"\n"

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the detections of one image."""
        record = to_record(frame, detections, self._labels)
        if record["error"] is not None:
            return
        image_id = self._image_ids.known(frame.origin)
        if image_id is None:
            return
        for detection in record["detections"]:
            self._output.write(self._between + json_line(coco_result(image_id, detection)).rstrip())
            self._between = b",\n"

    def flush(self) -> None:
        """Flush the output if it is a stream."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Close the list, also after an interrupted run, and rename it into place."""
        self._output.write(b"\n]\n")
        self._output.commit(complete=complete)

    def abort(self) -> None:
        """Discard the new file; an earlier file stays as it is."""
        self._output.discard()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for the user at the end of the run."""
        if self._image_ids.are_positions:
            return (_POSITIONS,)
        return self._image_ids.remarks("they are left out of the COCO results")


def _areas(detections: Detections, record: Record) -> list[float] | list[int]:
    if detections.masks is not None:
        return [mask.area for mask in detections.masks]
    sizes = np.array([detection["bbox"][2:] for detection in record["detections"]]).reshape(-1, 2)
    return shortest(sizes.prod(axis=1))
