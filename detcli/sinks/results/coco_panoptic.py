"""COCO panoptic: a JSON document, and next to it a folder with one PNG per image whose colors are segment ids.

Rules of panopticapi: a color is the id R + 256 G + 256² B; 0 is no segment; the ids of a PNG and those in the image's
`segments_info` are the same; segments do not overlap.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from detcli.errors import UsageError
from detcli.io.outputs import is_stream
from detcli.io.results.formats import FORMATS
from detcli.sinks.images.encode_image import encode_png
from detcli.sinks.results.coco_document import CocoDocument
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels
from detcli.structures.json_records import Record, to_record
from detcli.structures.masks import Rle
from detcli.visualization.id_map import id_map


class CocoPanopticSink(BaseSink):
    """Writes `out.json`, and `out/` with the folder structure of the input; ids are the `segment_id` of the records.

    Segments must not overlap; those of the tasks panoptic and semantic do not.
    """

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        folder = FORMATS["coco-panoptic"].image_folder(target) if isinstance(target, Path) else None
        if not isinstance(target, Path) or is_stream(target) or folder is None:
            raise UsageError("COCO panoptic writes a file and a folder: name the file in `outputs`")
        self._labels = settings.info.labels
        self._document = CocoDocument(target, settings)
        try:
            self._folder = settings.folders.open(folder)
        except BaseException:
            self._document.abort()
            raise

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the PNG of one image, and add its segments to the document."""
        record = to_record(frame, detections, self._labels)
        image_id = self._document.add_image(frame.origin, record)
        if image_id is None or isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            return
        masks = _masks(detections)
        path = self._folder.write(f"{frame.origin.stem}.png", encode_png(_colors(masks, frame.size_hw)))
        segments = [_segment(detection, mask) for detection, mask in zip(record["detections"], masks, strict=True)]
        name = path.relative_to(self._folder.path).as_posix()
        self._document.add_annotation({"image_id": image_id, "file_name": name, "segments_info": segments})

    def close(self, *, complete: bool) -> None:
        """Write the document and rename it into place."""
        self._document.close(complete=complete, with_isthing=True)

    def abort(self) -> None:
        """Discard the new document; an earlier one stays, and so do the PNGs."""
        self._document.abort()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for the user at the end of the run."""
        return self._document.remarks


def _masks(detections: Detections) -> tuple[Rle, ...]:
    if detections.masks is None and len(detections):
        raise ValueError("COCO panoptic needs masks, and the detections have none")
    return detections.masks or ()


def _colors(masks: tuple[Rle, ...], size_hw: tuple[int, int]) -> Pixels:
    """The ids as colors, uint8 [H, W, 3] RGB."""
    ids = id_map(masks, range(1, len(masks) + 1), size_hw)
    if np.count_nonzero(ids) != sum(mask.area for mask in masks):
        raise ValueError("segments overlap, and COCO panoptic has one id per pixel")
    return np.stack((ids & 255, ids >> 8 & 255, ids >> 16), axis=2).astype(np.uint8)


def _segment(detection: Record, mask: Rle) -> Record:
    left, top, right, bottom = (round(edge) for edge in mask.box_xyxy)
    return {
        "id": detection["segment_id"],
        "category_id": detection["category_id"],
        "area": mask.area,
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
        "score": detection["score"],
        **({"track_id": detection["track_id"]} if "track_id" in detection else {}),
    }
