"""Converts COCO annotations to arrays; entries without a name or an integer id are rejected."""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.instance_masks import Outline, read_outline
from detcli.datasets.issues import IssueReport
from detcli.errors import DataError, NoDataError
from detcli.io.coco.coco_entries import (
    box_around,
    coordinate,
    entry_area,
    entry_crowd,
    entry_ids,
    has_box,
    image_size,
    whole_number,
)
from detcli.io.coco.coco_reader import (
    MAX_ID,
    InvalidEntries,
    drop_repeated,
    numbered_entries,
    read_coco_document,
    read_names,
    reject_detections,
)


@dataclass(frozen=True, slots=True)
class AnnotationColumns:
    """The three sections of COCO annotations in file order. Only ids and names are checked.

    category_ids          id of each category
    category_names        name of each category
    supercategories       of each category; "" for none
    image_ids             int64 [P]
    file_names            name of each image
    sizes_hw              int32 [P, 2]    0 if the size is missing
    annotation_ids        int64 [N]       -1 if the id is missing
    annotation_images     int64 [N]       image id of each annotation
    annotation_categories  int64 [N]      category id of each annotation
    xywh                  float64 [N, 4]  NaN if there are no four numbers, and no mask to compute the box from
    areas                 float64 [N]     NaN if the area is missing
    crowd                 bool [N]
    masks                 source of each annotation's mask, or None; None for all if masks are not requested
    """

    category_ids: list[int]
    category_names: list[str]
    supercategories: list[str]
    image_ids: npt.NDArray[np.int64]
    file_names: list[str]
    sizes_hw: npt.NDArray[np.int32]
    annotation_ids: npt.NDArray[np.int64]
    annotation_images: npt.NDArray[np.int64]
    annotation_categories: npt.NDArray[np.int64]
    xywh: npt.NDArray[np.float64]
    areas: npt.NDArray[np.float64]
    crowd: npt.NDArray[np.bool_]
    masks: list[Any] | None = None

    def name_of(self, row: int) -> str:
        """Name of an annotation for messages."""
        number = int(self.annotation_ids[row])
        name = f"annotation {number}" if number >= 0 else f"annotation number {row} in the list"
        (images,) = np.nonzero(self.image_ids == self.annotation_images[row])
        image = f"'{self.file_names[images[0]]}'" if len(images) else f"image {self.annotation_images[row]}"
        return f"{name} of {image}"


def read_columns(path: Path, issues: IssueReport, *, masks: bool = False) -> AnnotationColumns:
    """Read COCO annotations.

    masks  also keep the outlines of masks

    Raises NoDataError if the file cannot be read or has no COCO annotations, and DataError for entries without a name or
    an integer id.
    """
    document = read_coco_document(path, invalid=NoDataError, object_hook=_with_outlines if masks else _without_masks)
    outlines = [_outline(entry) for entry in document["annotations"]] if masks else None
    return to_columns(path, document, issues, masks=outlines)


def to_columns(
    path: Path, document: Mapping[str, Any], issues: IssueReport, *, masks: list[Any] | None
) -> AnnotationColumns:
    """Convert a COCO document to columns.

    Raises DataError for entries without a name or an integer id, and for annotations with scores.
    """
    reject_detections(path, document["annotations"], DataError)
    document = dict(document)
    issues.add_sentences(drop_repeated(document))
    invalid = InvalidEntries()
    images, categories = (read_names(path, document, section, invalid) for section in ("images", "categories"))
    columns = _annotation_columns(path, document["annotations"], invalid)
    invalid.raise_if_any(issues.where, DataError)
    return AnnotationColumns(
        category_ids=[category_id for category_id, _ in categories],
        category_names=[name for _, name in categories],
        supercategories=[str(entry.get("supercategory") or "") for entry in document["categories"]],
        image_ids=np.array([image_id for image_id, _ in images], np.int64),
        file_names=[name for _, name in images],
        sizes_hw=np.array([image_size(image) or (0, 0) for image in document["images"]], np.int32).reshape(-1, 2),
        masks=masks,
        **columns,
    )


def _without_masks(entry: dict[str, Any]) -> dict[str, Any]:
    """Drop masks as soon as they are parsed: they are most of the file. A missing box is computed from the mask."""
    if "segmentation" in entry:
        mask = entry.pop("segmentation")
        if not has_box(entry):
            entry["bbox"] = box_around(mask)
    return entry


def _with_outlines(entry: dict[str, Any]) -> dict[str, Any]:
    """Compress masks as soon as they are parsed."""
    if "segmentation" in entry:
        mask = entry["segmentation"]
        entry["segmentation"] = read_outline(mask)
        if not has_box(entry):
            entry["bbox"] = box_around(mask)
    return entry


def _outline(entry: object) -> Outline | None:
    return entry.get("segmentation") if isinstance(entry, dict) else None


def _annotation_columns(path: Path, entries: Sequence[Any], invalid: InvalidEntries) -> dict[str, Any]:
    annotation_ids, annotation_images, annotation_categories = array("q"), array("q"), array("q")
    xywh, areas, crowd = array("d"), array("d"), array("b")
    for position, entry in numbered_entries(path, "annotations", entries):
        with invalid:
            position.mapping(entry)
            image_id, category_id = entry_ids(position, entry)
            is_crowd, number, area = entry_crowd(position, entry), whole_number(entry.get("id")), entry_area(entry)
            annotation_ids.append(-1 if number is None or abs(number) > MAX_ID else number)
            annotation_images.append(image_id)
            annotation_categories.append(category_id)
            xywh.extend(_four_numbers(entry.get("bbox")))
            areas.append(math.nan if area is None else area)
            crowd.append(is_crowd)
    return {
        "annotation_ids": np.array(annotation_ids, np.int64),
        "annotation_images": np.array(annotation_images, np.int64),
        "annotation_categories": np.array(annotation_categories, np.int64),
        "xywh": np.array(xywh, np.float64).reshape(-1, 4),
        "areas": np.array(areas, np.float64),
        "crowd": np.array(crowd, np.bool_),
    }


def _four_numbers(box: object) -> list[float]:
    if isinstance(box, list) and len(box) == 4:
        return [coordinate(value) for value in box]
    return [math.nan] * 4
