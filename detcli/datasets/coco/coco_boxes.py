"""Checks the boxes of COCO annotations and puts them into tables with their images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_checks import (
    Boxes,
    Mask,
    check_boxes,
    check_duplicates,
    check_share,
    find_duplicates,
)
from detcli.datasets.boxes.box_formats import COCO, BoxFormat, Slack, likely_format
from detcli.datasets.coco.coco_annotations import AnnotationColumns
from detcli.datasets.coco.coco_images import repeats
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.images.find_images import ImagePaths
from detcli.datasets.instance_masks import MaskMaker
from detcli.datasets.issues import IssueReport
from detcli.structures.class_labels import ClassLabels

_SLACK = 1.0  # pixels; boxes of COCO are rounded to hundredths, others to integers

_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WrittenBoxes:
    """How boxes are written in annotations, and the name of the annotations for messages."""

    name: str = "COCO"
    format: BoxFormat = COCO


def make_tables(
    columns: AnnotationColumns,
    image_paths: ImagePaths,
    sizes_hw: npt.NDArray[np.int32],
    labels: ClassLabels,
    issues: IssueReport,
    *,
    drop_duplicates: bool,
    written: WrittenBoxes = WrittenBoxes(),
    make_masks: MaskMaker | None = None,
) -> AnnotationTables:
    """Make the tables of all existing images and their valid boxes; class ids index the labels.

    written          how the boxes are written in the annotations
    drop_duplicates  drop boxes that their image has twice, with any ids; otherwise they are only reported
    make_masks       makes the masks from `columns.masks` and the indices of the images in the columns; unless they are
                     optional, boxes without a mask are dropped

    Raises DataError if most boxes belong to unknown images or are invalid, or if boxes are in another format.
    """
    exists = np.array(image_paths.exists)
    images = _index_in(columns.annotation_images, columns.image_ids)  # [N]
    check_share(images < 0, "annotation{s} {are} of unknown images", columns.name_of, issues)
    rows = np.flatnonzero((images >= 0) & exists[images])
    rows = rows[_without_duplicates(columns, rows, issues)]
    needs_masks = make_masks is not None and not make_masks.optional
    if needs_masks:
        rows = rows[_with_masks(columns, rows, issues)]
    boxes, valid = _valid_boxes(columns, rows, sizes_hw[images[rows]], written, issues)
    order = np.argsort(images[rows[valid]], kind="stable")
    rows, boxes = rows[valid][order], boxes[valid][order]
    duplicates = _duplicates(columns, rows, masks=needs_masks)
    kept = check_duplicates(duplicates, lambda row: columns.name_of(rows[row]), issues, drop=drop_duplicates)
    rows, boxes = rows[kept], boxes[kept]
    existing = np.flatnonzero(exists)
    counts = np.bincount(images[rows], minlength=len(exists))[existing]
    masks = [(columns.masks or [])[row] for row in rows.tolist()] if make_masks is not None else []
    return AnnotationTables(
        unit="pixels",
        paths=[image_paths.paths[index] for index in existing],
        names=[image_paths.names[index] for index in existing],
        image_ids=columns.image_ids[existing],
        sizes_hw=sizes_hw[existing],
        starts=np.concatenate(([0], np.cumsum(counts))),
        boxes_xyxy=boxes,
        class_ids=_index_in(columns.annotation_categories[rows], np.array(labels.category_ids, np.int64)),
        crowd=columns.crowd[rows],
        areas=np.where(columns.areas[rows] > 0, columns.areas[rows], np.nan),
        masks=make_masks(masks, existing.tolist()) if make_masks is not None else None,
        some_masks=make_masks is not None and make_masks.optional,
    )


def _duplicates(columns: AnnotationColumns, rows: _Indices, *, masks: bool) -> Mask:
    """Bool [rows]: annotations with the box of an earlier one as it was written, before it is clipped."""
    ids = np.column_stack(
        (columns.annotation_images[rows], columns.annotation_categories[rows], columns.crowd[rows].astype(np.int64))
    )
    sources = [(columns.masks or [])[row] for row in rows.tolist()] if masks else None
    return find_duplicates(ids, columns.xywh[rows], sources)


def _with_masks(columns: AnnotationColumns, rows: _Indices, issues: IssueReport) -> Mask:
    """Rows that have a mask. Raises DataError if most have none."""
    masks = columns.masks or []
    without = np.array([masks[row] is None for row in rows.tolist()], np.bool_)
    check_share(
        without, "annotation{s} {have} no mask and {were} dropped", lambda row: columns.name_of(rows[row]), issues
    )
    return ~without


def _valid_boxes(
    columns: AnnotationColumns,
    rows: _Indices,
    sizes_hw: npt.NDArray[np.int32],
    written: WrittenBoxes,
    issues: IssueReport,
) -> tuple[Boxes, Mask]:
    """Boxes xyxy [rows, 4] clipped to their images, and bool [rows]: which of them are valid."""
    xywh = columns.xywh[rows]
    sides = np.where(sizes_hw > 0, sizes_hw, np.inf)
    xyxy = np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)
    numbers = xywh if written.format == COCO else written.format.from_xyxy(xyxy, sides[:, ::-1])
    _check_format(numbers, sides, written, issues)
    return check_boxes(xyxy, sides, lambda row: columns.name_of(rows[row]), issues, slack=_SLACK)


def _check_format(numbers: Boxes, sides_hw: Boxes, written: WrittenBoxes, issues: IssueReport) -> None:
    """Raise DataError if the boxes are in another format, or report that they may be."""
    likely = likely_format(numbers, sides_hw[:, ::-1], written.format, Slack(_SLACK))
    if likely is not None and likely.certain:
        issues.reject(f"{likely.reason}; {written.name} boxes are {written.format}")
    if likely is not None:
        issues.add_sentences(
            [f"{likely.reason}: check the format of the boxes, which is {written.format} in {written.name}"]
        )


def _without_duplicates(columns: AnnotationColumns, rows: _Indices, issues: IssueReport) -> Mask:
    """Rows to keep: of equal annotations with the same id only the first. Different ones with the same id are reported."""
    numbers = columns.annotation_ids[rows]
    shared = np.isin(numbers, numbers[repeats(numbers)]) & (numbers >= 0)
    keep = np.ones(len(rows), np.bool_)
    candidates = np.flatnonzero(shared)
    contents = np.column_stack(
        (
            numbers[candidates],
            columns.annotation_images[rows[candidates]],
            columns.annotation_categories[rows[candidates]],
            columns.xywh[rows[candidates]].view(np.int64),
        )
    )
    first = np.unique(contents, axis=0, return_index=True)[1]
    keep[np.delete(candidates, first)] = False
    repeated = np.flatnonzero(~keep)
    names = (columns.name_of(rows[row]) for row in repeated)
    issues.add(len(repeated), "annotation{s} {are} repeated with the same id and {were} dropped", names)
    other = np.flatnonzero(keep)[repeats(numbers[keep]) & (numbers[keep] >= 0)]
    names = (columns.name_of(rows[row]) for row in other)
    issues.add(len(other), "annotation{s} {have} the id of another one and {were} kept", names)
    return keep


def _index_in(values: _Indices, among: _Indices) -> _Indices:
    """Index of each value in a list of distinct values; -1 if it is not in the list."""
    order = np.argsort(among)
    indices = order[np.searchsorted(among, values, sorter=order).clip(max=len(among) - 1)]
    return np.where(among[indices] == values, indices, -1)
