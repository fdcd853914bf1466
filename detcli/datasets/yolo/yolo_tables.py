"""Checks the rows of YOLO labels and puts them into tables with their images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detcli.datasets.boxes.box_checks import MAX_INVALID_SHARE, Boxes, check_boxes, check_duplicates, find_duplicates
from detcli.datasets.boxes.box_formats import YOLO, Slack, likely_format
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.instance_masks import FractionOutlines
from detcli.datasets.issues import IssueReport
from detcli.datasets.yolo.yolo_labels import LabelRows
from detcli.datasets.yolo.yolo_masks import with_outlines

_SLACK = 1e-3  # fraction of the image side


@dataclass(frozen=True, slots=True)
class LabeledImages:
    """The images of YOLO labels.

    paths   path of each image, as the user can type it
    names   relative name of each image
    counts  number of rows of each image
    """

    paths: list[str]
    names: list[str]
    counts: list[int]


def make_yolo_tables(
    images: LabeledImages,
    rows: LabelRows,
    classes: Sequence[str],
    issues: IssueReport,
    *,
    drop_duplicates: bool,
    optional_masks: bool = False,
) -> AnnotationTables:
    """Check the rows of all images and put them into tables; class ids index the classes.

    rows             in the order of the images
    drop_duplicates  drop boxes that their image has twice; otherwise they are only reported
    optional_masks   rows without a mask stay, if masks are requested

    Raises DataError if the rows cannot be used.
    """
    issues.add(len(rows.unread), "label file{s} cannot be read, so {its} images have no boxes", rows.unread)
    ambiguous = _check_rows(rows, issues)
    class_ids = np.array(rows.class_ids, np.int64)
    unknown = np.flatnonzero((class_ids < 0) | (class_ids >= len(classes))).tolist()
    issues.raise_if_any(
        len(unknown),
        f"row{{s}} {{have}} a class id that is not among the {len(classes)} names",
        (f"{rows.name_of(row)} (class {class_ids[row]})" for row in unknown),
    )
    corners = rows.boxes_xyxy()
    far = (corners[:, 2:] > 2).all(axis=1)
    if len(corners) and far.all():
        issues.reject("all its boxes are far outside the image, as boxes in pixels are; YOLO boxes are fractions")
    in_pixels = map(rows.name_of, np.flatnonzero(far).tolist())
    issues.add(int(far.sum()), "row{s} {were} dropped: as far outside the image as boxes in pixels", in_pixels)
    near = np.setdiff1d(np.flatnonzero(~far), ambiguous).astype(np.int64)
    if not optional_masks:
        near = near[with_outlines(rows, near, issues)]
    _check_format(corners[near], issues)
    boxes, valid = check_boxes(
        corners[near], np.ones((len(near), 2)), lambda row: rows.name_of(int(near[row])), issues, slack=_SLACK
    )
    boxes, near = boxes[valid], near[valid]
    count = len(images.paths)
    image_of = np.repeat(np.arange(count), images.counts)[near]
    outlines = rows.outlines_of(near)
    ids = np.column_stack((image_of, class_ids[near]))
    duplicates = find_duplicates(ids, corners[near], None if optional_masks else outlines)
    names_of = near  # of the rows before any is dropped
    kept = check_duplicates(duplicates, lambda row: rows.name_of(int(names_of[row])), issues, drop=drop_duplicates)
    boxes, near, image_of = boxes[kept], near[kept], image_of[kept]
    outlines = rows.outlines_of(near)
    return AnnotationTables(
        unit="fractions",
        paths=images.paths,
        names=images.names,
        image_ids=np.arange(1, count + 1),
        sizes_hw=np.zeros((count, 2), np.int32),
        starts=np.concatenate(([0], np.cumsum(np.bincount(image_of, minlength=count)))),
        boxes_xyxy=boxes,
        class_ids=class_ids[near],
        crowd=np.zeros(len(near), np.bool_),
        areas=np.full(len(near), np.nan),
        masks=None if outlines is None or (optional_masks and not any(outlines)) else FractionOutlines(outlines),
        some_masks=optional_masks,
    )


def _check_format(boxes_xyxy: Boxes, issues: IssueReport) -> None:
    """Raise DataError if the boxes are not centers and sizes, or report that they may not be."""
    sides = np.ones((len(boxes_xyxy), 2))
    likely = likely_format(YOLO.from_xyxy(boxes_xyxy, sides), sides, YOLO, Slack(_SLACK))
    if likely is not None and likely.certain:
        issues.reject(f"{likely.reason}; YOLO boxes are {YOLO}")
    if likely is not None:
        issues.add_sentences([f"{likely.reason}: check the format of the rows, which is {YOLO} in YOLO"])


def _check_rows(rows: LabelRows, issues: IssueReport) -> list[int]:
    """The rows to drop because they may be results. Raises DataError if there are results, or for rows of two meanings."""
    issues.raise_if_any(
        len(rows.scored),
        "row{s} {have} a score, as detections have",
        rows.scored,
        advice="annotations are `class cx cy w h`, key points or polygons",
    )
    ambiguous = rows.ambiguous()
    reason = "7 numbers: a triangle, or a box with a score and a track id"
    malformed = [*rows.malformed, *(f"{rows.name_of(row)} ({reason})" for row in ambiguous)]
    if len(malformed) > MAX_INVALID_SHARE * (len(rows.malformed) + len(rows.lines)):
        issues.raise_if_any(len(malformed), "row{s} {are} malformed", malformed)
    issues.add(len(malformed), "row{s} {are} malformed and {were} dropped", malformed)
    numbers = rows.keypoints_or_polygons()
    if numbers is not None:
        issues.reject(
            f"its rows of {numbers} numbers are boxes with key points, or polygons; set 'kpt_shape: [{(numbers - 5) // 2}, 2]' "
            "in the YAML file for key points, 'kpt_shape: [0, 2]' for polygons"
        )
    return ambiguous
