"""Images with ground truth kept in a few arrays: read lazily, and the ground truth always in the upright image's pixels."""

import os
from functools import partial
from typing import Any

import numpy as np

from detcli.datasets.annotation_tables import AnnotationTables
from detcli.datasets.dataset import IssueSummary
from detcli.datasets.exif_orientation import BoxFrame, ExifOrientation
from detcli.datasets.instance_masks import change_masks
from detcli.datasets.issues import IssueReport
from detcli.datasets.transforms.rotate import turn_boxes, turn_mask
from detcli.io.coco.coco_writer import coco_categories, coco_image, ground_truth_annotations
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.io.images.read_frame import read_frame
from detcli.io.read import read_bytes
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.ground_truth import GroundTruth


class AnnotatedImages:
    """The dataset that tables make.

    Raises DataError where there is nothing to learn from, or where the sizes in the annotations are not those of most
    images.
    """

    def __init__(self, tables: AnnotationTables, labels: ClassLabels, findings: IssueReport) -> None:
        self._tables = tables
        self._labels = labels
        self._standing = ExifOrientation(tables, findings)
        self._report = _report(tables, labels, findings)

    @property
    def labels(self) -> ClassLabels:
        """Classes in the order of their index, with the dataset's own category ids."""
        return self._labels

    @property
    def report(self) -> IssueSummary:
        """What was found on entry."""
        return self._report

    def __len__(self) -> int:
        return len(self._tables.paths)

    def image_id(self, index: int) -> int:
        """The id of the image in `annotations`."""
        return int(self._tables.image_ids[index])

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        """The image, upright; `FailedFrame` also where its ground truth are of an image of another size."""
        path, name = self._tables.paths[index], self._tables.names[index]
        origin = Origin(index, path, name, os.path.splitext(name)[0])  # noqa: PTH122 - a name, not a path
        if self._standing.drawn(index) == BoxFrame.ELSEWHERE:
            return FailedFrame(origin, "unsupported", self._standing.other_size(index))
        return read_frame(origin, partial(read_bytes, path, max_bytes=MAX_IMAGE_BYTES), resize=resize)

    def ground_truth(self, index: int) -> GroundTruth:
        """The ground truth of the upright image, in its pixels; nothing where its size is not known, or another.

        Raises PictureError where masks were asked for and cannot be read.
        """
        tables, drawn, size_hw = self._tables, self._standing.drawn(index), self._size_hw(index)
        if drawn == BoxFrame.ELSEWHERE or size_hw is None:
            return GroundTruth.empty()
        rows = range(int(tables.starts[index]), int(tables.starts[index + 1]))
        these = slice(rows.start, rows.stop)
        boxes = tables.boxes_xyxy[these]
        masks = None
        if tables.masks is not None:
            drawn_hw = self._standing.header(index).stored_hw if drawn == BoxFrame.STORED else size_hw
            masks = tables.masks.of_image(index, rows, drawn_hw)
        if tables.unit == "fractions":
            boxes = boxes * [size_hw[1], size_hw[0], size_hw[1], size_hw[0]]
        elif drawn == BoxFrame.STORED:
            header = self._standing.header(index)
            boxes = turn_boxes(boxes, header.orientation, header.stored_hw)
            masks = change_masks(masks, lambda mask: turn_mask(mask, header.orientation))
        return GroundTruth(boxes.copy(), tables.class_ids[these].copy(), tables.crowd[these].copy(), masks)

    def annotations(self) -> dict[str, Any]:
        """The ground truth as COCO annotations, numbered from 1; images without a known size, or of another, are left out."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(len(self)):
            size_hw = self._size_hw(index)
            if size_hw is None or self._standing.drawn(index) == BoxFrame.ELSEWHERE:
                continue
            image_id = self.image_id(index)
            images.append(coco_image(image_id, self._tables.names[index], size_hw=size_hw))
            start, end = self._tables.starts[index : index + 2]
            annotations += ground_truth_annotations(
                self.ground_truth(index),
                self._labels,
                image_id=image_id,
                first_id=len(annotations) + 1,
                areas=self._tables.areas[start:end],
            )
        info = {"description": f"Ground truth of {self._report.name}"}
        categories = coco_categories(self._labels)
        return {"info": info, "images": images, "annotations": annotations, "categories": categories}

    def _size_hw(self, index: int) -> tuple[int, int] | None:
        """Of the upright image; where it cannot be read, as the annotations have it; None where nobody knows."""
        if self._standing.drawn(index) != BoxFrame.UNKNOWN:
            return self._standing.header(index).upright_hw
        height, width = self._tables.sizes_hw[index].tolist()
        return (height, width) if height and width else None


def _report(tables: AnnotationTables, labels: ClassLabels, findings: IssueReport) -> IssueSummary:
    counts = np.bincount(tables.class_ids[~tables.crowd], minlength=len(labels))
    boxes_of: dict[str, int] = {}
    for name, count in zip(labels.names, counts.tolist(), strict=True):
        boxes_of[name] = boxes_of.get(name, 0) + count
    boxes = int(counts.sum())
    if not boxes:
        findings.refuse_all(f"none of its {len(tables.paths):,} images has a box to learn from")
    return IssueSummary(
        name=findings.where,
        images=len(tables.paths),
        boxes=boxes,
        boxes_of=boxes_of,
        empty=int((np.diff(tables.starts) == 0).sum()),
        crowd=int(tables.crowd.sum()),
        findings=findings.sentences,
    )
