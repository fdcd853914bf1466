"""Collects images and objects of annotations that name their classes, in the columns that COCO annotations have too."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_checks import MAX_INVALID_SHARE
from detcli.datasets.coco.coco_annotations import AnnotationColumns
from detcli.datasets.formats.geometry import Corners
from detcli.datasets.issues import IssueReport
from detcli.io.record_values import LARGEST_COORDINATE

DIFFICULT = "object{s} {are} difficult: neither trained on nor counted in evaluation"
JOINED = "polygon{s} {are} of the group of another one: they are one object"
ROTATED = "box{es} {are} rotated: the upright box around {its} corners is used"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledColumns(AnnotationColumns):
    """Columns whose objects are named by their number in a file.

    numbers  int32 [N]  number of each object among those of its image, from 1
    sources  file of each image's annotations, or its name in a file for all images
    """

    numbers: npt.NDArray[np.int32]
    sources: list[str]

    def name_of(self, row: int) -> str:
        """Name of an object for messages."""
        return f"object {self.numbers[row]} of '{self.sources[int(self.annotation_images[row]) - 1]}'"


class LabeledObjects:
    """Collects the objects of one image after the other.

    masks  keep the outlines of masks
    """

    def __init__(self, *, masks: bool) -> None:
        self.file_names: list[str] = []
        self.sources: list[str] = []
        self.labels: list[str] = []  # of each object
        self.corners = array("d")
        self.ignored: Counter[str] = Counter()  # shapes that are no boxes
        self._sizes = array("i")
        self._images, self._numbers, self._crowd = array("q"), array("i"), array("b")
        self._outlines: list[Any] | None = [] if masks else None
        self._invalid: list[str] = []
        self._dropped: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def add_image(self, file_name: str, source: str, size_hw: tuple[int, int] | None) -> None:
        """Begin an image; the objects that follow are its own.

        source   the file of its annotations, for messages
        size_hw  None if it is missing
        """
        self.file_names.append(file_name)
        self.sources.append(source)
        self._sizes.extend(size_hw or (0, 0))

    def add(self, number: int, label: str, corners: Corners, *, crowd: bool = False, outline: Any = None) -> None:
        """Add an object of the image.

        number   among the objects of the image, from 1
        corners  in pixels; NaN for what is not a number
        crowd    it is neither trained on nor counted in evaluation
        outline  source of its mask
        """
        self.labels.append(label)
        self.corners.extend(value if abs(value) <= LARGEST_COORDINATE else float("nan") for value in corners)
        self._images.append(len(self.file_names))
        self._numbers.append(number)
        self._crowd.append(crowd)
        if self._outlines is not None:
            self._outlines.append(outline)

    def refuse(self, number: int, why: str) -> None:
        """Note an object for which the dataset cannot be used."""
        self._invalid.append(f"object {number} of '{self.sources[-1]}' ({why})")

    def drop(self, number: int, what: str) -> None:
        """Note an object that is left out.

        what  the reason for any number of objects, with forms as in `IssueReport.add`
        """
        self._dropped.setdefault(what, []).append(f"object {number} of '{self.sources[-1]}'")

    def check(self, issues: IssueReport) -> None:
        """Report what was left out. Raises DataError for invalid objects, or if most objects were left out."""
        issues.raise_if_any(len(self._invalid), "object{s} {are} invalid", self._invalid)
        names = [name for named in self._dropped.values() for name in named]
        if len(names) > MAX_INVALID_SHARE * (len(names) + len(self)):
            reasons = IssueReport("")
            self._add_dropped(reasons)
            what = f"of {len(names) + len(self):,} objects cannot be used"
            issues.raise_if_any(len(names), what, names, advice="; ".join(reasons.messages))
        self._add_dropped(issues)
        for what, count in sorted(self.ignored.items()):
            issues.add(count, f"{what} {{were}} ignored: only boxes, polygons and masks are objects")

    def _add_dropped(self, issues: IssueReport) -> None:
        for what, named in self._dropped.items():
            issues.add(len(named), f"{what} and {{were}} dropped", named)

    def crowd_count(self) -> int:
        """Number of objects that are crowds."""
        return sum(self._crowd)

    def xyxy(self) -> npt.NDArray[np.float64]:
        """Corners of all objects, float64 [N, 4]."""
        return np.array(self.corners, np.float64).reshape(-1, 4)

    def columns(self, classes: Sequence[str]) -> LabeledColumns:
        """The columns of all images and objects.

        classes  names in the order of their ids, from 1; those of the objects are among them
        """
        ids = {name: index for index, name in enumerate(classes, 1)}
        xyxy = self.xyxy()
        count = len(self.file_names)
        return LabeledColumns(
            category_ids=list(ids.values()),
            category_names=list(ids),
            supercategories=[""] * len(ids),
            image_ids=np.arange(1, count + 1),
            file_names=self.file_names,
            sizes_hw=np.array(self._sizes, np.int32).reshape(-1, 2),
            annotation_ids=np.full(len(self), -1, np.int64),
            annotation_images=np.array(self._images, np.int64),
            annotation_categories=np.array([ids[label] for label in self.labels], np.int64),
            xywh=np.concatenate((xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]), axis=1),
            areas=np.full(len(self), np.nan),
            crowd=np.array(self._crowd, np.bool_),
            masks=self._outlines,
            numbers=np.array(self._numbers, np.int32),
            sources=self.sources,
        )
