"""The boxes of COCO annotations, checked, and put into tables with their images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.annotation_tables import AnnotationTables
from detcli.datasets.box_checks import MOST_WRONG, Boxes, Mask, check_boxes, judge
from detcli.datasets.coco.coco_annotations import AnnotationColumns
from detcli.datasets.coco.coco_images import repeats
from detcli.datasets.find_images import ImagePaths
from detcli.datasets.instance_masks import ImageMasks
from detcli.datasets.issues import IssueReport
from detcli.structures.class_labels import ClassLabels

_SLACK = 1.0  # pixels; COCO's own boxes are rounded to hundredths, others to whole pixels

_Indices = npt.NDArray[np.int64]


def make_tables(
    columns: AnnotationColumns,
    located: ImagePaths,
    sizes_hw: npt.NDArray[np.int32],
    labels: ClassLabels,
    findings: IssueReport,
    *,
    make_masks: Callable[[list[Any], list[int]], ImageMasks] | None = None,
) -> AnnotationTables:
    """The images that are there, with those boxes that can be used; class ids index the labels.

    make_masks  from what the columns say of each ground truth's mask, and the images' places in the columns; ground truth without
                any are dropped then

    Raises DataError where most boxes are of unknown images or cannot be used, or are plainly in another format.
    """
    there = np.array(located.there)
    images = _places(columns.images_of, columns.image_ids)  # [N]
    judge(images < 0, "annotation{s} {are} of images that it does not have", columns.name_of, findings)
    rows = np.flatnonzero((images >= 0) & there[images])
    rows = rows[_once(columns, rows, findings)]
    if make_masks is not None:
        rows = rows[_with_masks(columns, rows, findings)]
    boxes, usable = _checked(columns, rows, sizes_hw[images[rows]], findings)
    order = np.argsort(images[rows[usable]], kind="stable")
    rows, boxes = rows[usable][order], boxes[usable][order]
    here = np.flatnonzero(there)
    counts = np.bincount(images[rows], minlength=len(there))[here]
    masks = [(columns.masks or [])[row] for row in rows.tolist()] if make_masks is not None else []
    return AnnotationTables(
        unit="pixels",
        paths=[located.paths[index] for index in here],
        names=[located.names[index] for index in here],
        image_ids=columns.image_ids[here],
        sizes_hw=sizes_hw[here],
        starts=np.concatenate(([0], np.cumsum(counts))),
        boxes_xyxy=boxes,
        class_ids=_places(columns.categories_of[rows], np.array(labels.category_ids, np.int64)),
        crowd=columns.crowd[rows],
        areas=np.where(columns.areas[rows] > 0, columns.areas[rows], np.nan),
        masks=make_masks(masks, here.tolist()) if make_masks is not None else None,
    )


def _with_masks(columns: AnnotationColumns, rows: _Indices, findings: IssueReport) -> Mask:
    """Which rows have a mask. Raises DataError where most have none."""
    own = columns.masks or []
    without = np.array([own[row] is None for row in rows.tolist()], np.bool_)
    judge(without, "annotation{s} {have} no mask and {were} dropped", lambda row: columns.name_of(rows[row]), findings)
    return ~without


def _checked(
    columns: AnnotationColumns, rows: _Indices, sizes_hw: npt.NDArray[np.int32], findings: IssueReport
) -> tuple[Boxes, Mask]:
    """Boxes xyxy [rows, 4] within their images, and which of them can be used."""
    xywh = columns.xywh[rows]
    sides = np.where(sizes_hw > 0, sizes_hw, np.inf)
    _refuse_other_formats(xywh, sides, findings)
    xyxy = np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)
    return check_boxes(xyxy, sides, lambda row: columns.name_of(rows[row]), findings, slack=_SLACK)


def _refuse_other_formats(xywh: Boxes, sides_hw: Boxes, findings: IssueReport) -> None:
    """Raise DataError for boxes that are fractions of the image, or two corners."""
    ordinary = np.isfinite(xywh).all(axis=1) & np.isfinite(sides_hw).all(axis=1)
    boxes, sides = xywh[ordinary], sides_hw[ordinary][:, ::-1]
    if not len(boxes):
        return
    if (boxes <= 1).all() and (sides > 1).all() and (boxes[:, 2:] < 1).any():
        findings.refuse_all("all its boxes lie within the first pixel, as fractions do; COCO's are in pixels")
    ends = boxes[:, :2] + boxes[:, 2:]
    run_out = (ends > sides + _SLACK).any(axis=1).mean()
    are_corners = (boxes[:, 2:] > boxes[:, :2]).all() and (boxes[:, 2:] <= sides + _SLACK).all()
    if run_out > MOST_WRONG and are_corners:
        findings.refuse_all(
            "most boxes run out of the image as x, y, width, height, and all fit as two corners; COCO has the former"
        )


def _once(columns: AnnotationColumns, rows: _Indices, findings: IssueReport) -> Mask:
    """Which rows to keep: of those that share their number and say the same, the first. Others are only counted."""
    numbers = columns.numbers[rows]
    shared = np.isin(numbers, numbers[repeats(numbers)]) & (numbers >= 0)
    keep = np.ones(len(rows), np.bool_)
    suspects = np.flatnonzero(shared)
    said = np.column_stack(
        (
            numbers[suspects],
            columns.images_of[rows[suspects]],
            columns.categories_of[rows[suspects]],
            columns.xywh[rows[suspects]].view(np.int64),
        )
    )
    first = np.unique(said, axis=0, return_index=True)[1]
    keep[np.delete(suspects, first)] = False
    again = np.flatnonzero(~keep)
    named = (columns.name_of(rows[row]) for row in again)
    findings.note(len(again), "annotation{s} {are} there again under the same id and {were} dropped", named)
    other = np.flatnonzero(keep)[repeats(numbers[keep]) & (numbers[keep] >= 0)]
    named = (columns.name_of(rows[row]) for row in other)
    findings.note(len(other), "annotation{s} {have} the id of another one and {were} kept", named)
    return keep


def _places(values: _Indices, among: _Indices) -> _Indices:
    """Place of each value among others that are all different; -1 for one that is none of them."""
    order = np.argsort(among)
    places = order[np.searchsorted(among, values, sorter=order).clip(max=len(among) - 1)]
    return np.where(among[places] == values, places, -1)
