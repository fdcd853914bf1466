"""A dataset of image files whose annotations are kept in a few arrays; images are read lazily."""

import os
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detcli.datasets.dataset import DatasetSummary, Part
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.images.exif_orientation import BoxFrame, ExifOrientation
from detcli.datasets.instance_masks import MaskUse, change_masks
from detcli.datasets.issues import IssueReport
from detcli.datasets.layouts import find_layout
from detcli.datasets.transforms.rotate import rotate_boxes, rotate_mask
from detcli.io.coco.coco_writer import coco_categories, coco_image, ground_truth_annotations
from detcli.io.images.read_frame import read_frame
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.ground_truth import GroundTruth


class AnnotatedImages(ABC):
    """A dataset of annotations in files. Its ground truth is always in pixels of the upright image.

    A class of a format reads the annotations; its docstring says what is special about the arguments.

    where        as the user typed it
    part         part of a dataset that has several
    images       folder that file names are relative to; None: search next to the annotations
    classes      class names by class index that the own classes are matched to; None: the own classes
    masks        the ground truth has masks; "optional": those that the data has, empty ones for other objects
    first_pixel  number of the first pixel in Pascal VOC; None: found in its files

    Raises NoDataError if there is no such dataset, UsageError for an argument that it does not take, and DataError if it cannot be
    used, also if no box is left for training, or if most images have another size than their annotations say.
    """

    def __init__(
        self,
        where: str,
        *,
        part: Part = "train",
        images: Path | None = None,
        classes: tuple[str, ...] | None = None,
        masks: MaskUse = False,
        first_pixel: Literal[0, 1] | None = None,
    ) -> None:
        issues = IssueReport(where)
        layout = find_layout(where, part)
        contents = self._read(DatasetRequest(where, part, layout, images, classes, masks, first_pixel), issues)
        self._tables = contents.tables
        self._labels = contents.labels
        self._exif = ExifOrientation(self._tables, issues)
        self._report = replace(
            _summarize(self._tables, self._labels, issues),
            annotations=str(contents.annotations),
            image_folders=tuple(contents.image_folders),
            segment_folder=contents.segment_folder,
        )

    @abstractmethod
    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        """Read and check the annotations; what is tolerated is added to the issues. Raises as the constructor does."""

    @property
    def labels(self) -> ClassLabels:
        """Classes in the order of their index, with the dataset's own category ids."""
        return self._labels

    @property
    def report(self) -> DatasetSummary:
        """Counts, and issues found when the dataset was opened."""
        return self._report

    def __len__(self) -> int:
        return len(self._tables.paths)

    def box_classes(self, index: int, *, crowds: bool = False) -> npt.NDArray[np.int64]:
        """The class id of each box of an image, with crowds or without."""
        own = slice(int(self._tables.starts[index]), int(self._tables.starts[index + 1]))
        class_ids = self._tables.class_ids[own]
        return class_ids if crowds else class_ids[~self._tables.crowd[own]]

    def image_id(self, index: int) -> int:
        """The id of the image in `annotations`."""
        return int(self._tables.image_ids[index])

    def origin(self, index: int) -> Origin:
        """The names of an image."""
        path, name = self._tables.paths[index], self._tables.names[index]
        return Origin(index, path, name, os.path.splitext(name)[0])  # noqa: PTH122 - a name, not a path

    def is_of_annotated_size(self, index: int) -> bool:
        """Whether the image has the size that its annotations are for, as far as it can be read."""
        return self._exif.box_frame(index) != BoxFrame.OTHER_SIZE

    def read(self, index: int, resize: Resize | None = None) -> Frame | FailedFrame:
        """The upright image; a `FailedFrame` also if its annotations are for another size."""
        origin = self.origin(index)
        if self._exif.box_frame(index) == BoxFrame.OTHER_SIZE:
            return FailedFrame(origin, "unsupported", self._exif.size_mismatch(index))
        return read_frame(origin, partial(self._tables.image_bytes, index), resize=resize)

    def ground_truth(self, index: int) -> GroundTruth:
        """The ground truth in pixels of the upright image; empty if its size is unknown or not that of the annotations.

        Raises ImageError if masks are requested and cannot be read.
        """
        tables, box_frame, size_hw = self._tables, self._exif.box_frame(index), self.size_hw(index)
        if box_frame == BoxFrame.OTHER_SIZE or size_hw is None:
            return GroundTruth.empty()
        rows = range(int(tables.starts[index]), int(tables.starts[index + 1]))
        own = slice(rows.start, rows.stop)
        boxes = tables.boxes_xyxy[own]
        masks = None
        if tables.masks is not None:
            annotated_hw = self._exif.header(index).stored_hw if box_frame == BoxFrame.STORED else size_hw
            masks = tables.masks.of_image(index, rows, annotated_hw)
        if tables.unit == "fractions":
            boxes = boxes * [size_hw[1], size_hw[0], size_hw[1], size_hw[0]]
        elif box_frame == BoxFrame.STORED:
            header = self._exif.header(index)
            boxes = rotate_boxes(boxes, header.orientation, header.stored_hw)
            masks = change_masks(masks, lambda mask: rotate_mask(mask, header.orientation))
        return GroundTruth(boxes.copy(), tables.class_ids[own].copy(), tables.crowd[own].copy(), masks)

    def annotations(self) -> dict[str, Any]:
        """The ground truth as COCO annotations with ids from 1, without images whose ground truth is empty for their size."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(len(self)):
            size_hw = self.size_hw(index)
            if size_hw is None or self._exif.box_frame(index) == BoxFrame.OTHER_SIZE:
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
                some_masks=self._tables.some_masks,
            )
        info = {"description": f"Ground truth of {self._report.name}"}
        categories = coco_categories(self._labels)
        return {"info": info, "images": images, "annotations": annotations, "categories": categories}

    def stored_bytes(self, index: int) -> bytes | None:
        """The bytes of an image file that is in another file; None for others. Raises ImageError."""
        return self._tables.image_bytes(index) if index in self._tables.stored else None

    def size_hw(self, index: int) -> tuple[int, int] | None:
        """Height and width of the upright image, from the annotations if it cannot be read; None if unknown."""
        if self._exif.box_frame(index) != BoxFrame.UNKNOWN:
            return self._exif.header(index).upright_hw
        height, width = self._tables.sizes_hw[index].tolist()
        return (height, width) if height and width else None


def _summarize(tables: AnnotationTables, labels: ClassLabels, issues: IssueReport) -> DatasetSummary:
    counts = np.bincount(tables.class_ids[~tables.crowd], minlength=len(labels))
    boxes_of: dict[str, int] = {}
    for name, count in zip(labels.names, counts.tolist(), strict=True):
        boxes_of[name] = boxes_of.get(name, 0) + count
    boxes = int(counts.sum())
    if not boxes:
        issues.reject(f"none of its {len(tables.paths):,} images has a box to train on")
    return DatasetSummary(
        name=issues.where,
        images=len(tables.paths),
        boxes=boxes,
        boxes_of=boxes_of,
        empty=int((np.diff(tables.starts) == 0).sum()),
        crowd=int(tables.crowd.sum()),
        issues=issues.messages,
        details=issues.issues,
    )
