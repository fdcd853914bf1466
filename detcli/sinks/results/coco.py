"""COCO: annotations with provenance, as one dictionary, or the bare list of results that AP is computed from.

Where there are masks, both have them run-length encoded, as pycocotools takes them; where there are tracks, both have
their numbers, which pycocotools passes over.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from detcli.io.outputs import open_output
from detcli.sinks.results.coco_document import CocoDocument
from detcli.sinks.results.coco_image_ids import CocoImageIds
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.json_records import Record, json_line, to_record


class CocoAnnotations(BaseSink):
    """The full dictionary: info, images, annotations with their scores, categories.

    Every annotation has `area` and `iscrowd`: the area of its mask, or of its box where there are none.
    """

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._labels = settings.info.labels
        self._document = CocoDocument(target, settings)

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Take one image and what was found in it."""
        record = to_record(frame, detections, self._labels)
        image_id = self._document.add_image(frame.origin, record)
        if image_id is None or isinstance(detections, FailedFrame):
            return
        for found, area in zip(record["detections"], _areas(detections, record), strict=True):
            annotation: Record = {"id": self._document.count + 1, "image_id": image_id}
            annotation |= {name: found[name] for name in ("category_id", "bbox", "score")}
            annotation |= {name: found[name] for name in ("segmentation", "track_id") if name in found}
            self._document.add_annotation(annotation | {"area": area, "iscrowd": 0})

    def close(self, *, complete: bool) -> None:
        """Put the dictionary together and rename it into place."""
        self._document.close(complete=complete)

    def abort(self) -> None:
        """Leave the file that was there before, if any."""
        self._document.abort()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should hear at the end."""
        return self._document.remarks


class CocoResults(BaseSink):
    """The bare list that pycocotools' `loadRes` takes, boxes or masks; valid JSON also when it is empty.

    With `--gt`, an image that its annotations do not know is left out: an unknown image id would stop the evaluation.
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
        """Write what was found in one image."""
        record = to_record(frame, detections, self._labels)
        if record["error"] is not None:
            return
        image_id = self._image_ids.known(frame.origin)
        if image_id is None:
            return
        for result in _results(record, image_id):
            self._output.write(self._between + json_line(result).rstrip())
            self._between = b",\n"

    def flush(self) -> None:
        """Hand on what is written, where it is a stream."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Close the list, of an interrupted run too, and rename it into place."""
        self._output.write(b"\n]\n")
        self._output.commit()

    def abort(self) -> None:
        """Leave the file that was there before, if any."""
        self._output.discard()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should hear at the end."""
        return self._image_ids.remarks("they are left out of the COCO results")


def _results(record: Record, image_id: int) -> Iterator[Record]:
    """What was found as `loadRes` wants it: boxes, or masks without boxes.

    With a box beside its mask a result would be sorted into small, medium and large by the box, which is not how masks
    are judged.
    """
    for found in record["detections"]:
        place = "segmentation" if "segmentation" in found else "bbox"
        result = {"image_id": image_id} | {name: found[name] for name in ("category_id", place, "score")}
        yield result | ({"track_id": found["track_id"]} if "track_id" in found else {})


def _areas(detections: Detections, record: Record) -> list[float] | list[int]:
    if detections.masks is not None:
        return [mask.area for mask in detections.masks]
    sizes = np.array([found["bbox"][2:] for found in record["detections"]]).reshape(-1, 2)
    return shortest(sizes.prod(axis=1))
