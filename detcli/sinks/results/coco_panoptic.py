"""COCO panoptic: the dictionary, and in a folder next to it a PNG an image whose colors are the ids of segments.

Rules of panopticapi: a color stands for the id R + 256 G + 256² B; 0 is nobody's; every id of a PNG is among the
image's `segments_info`, and every one of those is in the PNG; no pixel has two.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from detcli.errors import UsageError
from detcli.io.atomic_write import write_atomically
from detcli.io.output_paths import path_below
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
    """`out.json`, and `out/` with the tree of the input mirrored; an id is the `segment_id` of the records.

    Takes segments that do not overlap, as panoptic and semantic ones do not.
    """

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        folder = FORMATS["coco-panoptic"].image_folder(target) if isinstance(target, Path) else None
        if not isinstance(target, Path) or is_stream(target) or folder is None:
            raise UsageError("COCO panoptic is a file and a folder next to it: name the file with --output")
        self._folder = folder
        self._labels = settings.info.labels
        self._document = CocoDocument(target, settings)

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the PNG of one image, and take what its colors mean."""
        record = to_record(frame, detections, self._labels)
        image_id = self._document.add_image(frame.origin, record)
        if image_id is None or isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            return
        masks = _masks(detections)
        path = path_below(self._folder, f"{frame.origin.stem}.png")
        write_atomically(path, encode_png(_colors(masks, frame.size_hw)), durable=False)
        segments = [_segment(found, mask) for found, mask in zip(record["detections"], masks, strict=True)]
        name = path.relative_to(self._folder).as_posix()
        self._document.add_annotation({"image_id": image_id, "file_name": name, "segments_info": segments})

    def close(self, *, complete: bool) -> None:
        """Put the dictionary together and rename it into place."""
        self._document.close(complete=complete, with_isthing=True)

    def abort(self) -> None:
        """Leave the dictionary that was there before, if any; each PNG is whole."""
        self._document.abort()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should hear at the end."""
        return self._document.remarks


def _masks(detections: Detections) -> tuple[Rle, ...]:
    if detections.masks is None and len(detections):
        raise ValueError("COCO panoptic is made of masks, and there are only boxes")
    return detections.masks or ()


def _colors(masks: tuple[Rle, ...], size_hw: tuple[int, int]) -> Pixels:
    """The image of ids, uint8 [H, W, 3]."""
    ids = id_map(masks, range(1, len(masks) + 1), size_hw)
    if np.count_nonzero(ids) != sum(mask.area for mask in masks):
        raise ValueError("segments overlap, and a pixel of COCO panoptic has one id")
    return np.stack((ids & 255, ids >> 8 & 255, ids >> 16), axis=2).astype(np.uint8)


def _segment(found: Record, mask: Rle) -> Record:
    left, top, right, bottom = (round(edge) for edge in mask.box_xyxy)
    return {
        "id": found["segment_id"],
        "category_id": found["category_id"],
        "area": mask.area,
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
        "score": found["score"],
        **({"track_id": found["track_id"]} if "track_id" in found else {}),
    }
