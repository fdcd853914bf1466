"""A dataset in the folder layout of YOLO: `images/…` next to `labels/….txt`, with the classes in a YAML file or classes.txt.

These raise DataError with the first ten entries: no images; classes that the YAML file does not name; more than half of
the rows malformed, or of the boxes invalid; no box at all; classes that do not match; rows with a score, which are
results; rows that are boxes with key points or polygons, where the YAML file has no `kpt_shape`.

These are tolerated and reported: malformed rows, boxes without area or outside the image (dropped), boxes that extend
beyond it (clipped), boxes that an image has twice (dropped for training), label files that cannot be read, listed images
that are missing. An image without a label file has no boxes. Boxes are fractions of the upright image, as in YOLO's own
tools. If masks are requested, they are the polygons, and rows without one are dropped: more than half of them is an error.
"""

import os
from pathlib import Path

import numpy as np

from detcli.datasets.boxes.box_checks import MAX_INVALID_SHARE, Boxes, check_boxes, check_duplicates, find_duplicates
from detcli.datasets.boxes.box_formats import YOLO, Slack, likely_format
from detcli.datasets.classes.match_classes import match_classes
from detcli.datasets.dataset import Part
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.instance_masks import FractionOutlines
from detcli.datasets.issues import IssueReport
from detcli.datasets.layouts import find_layout
from detcli.datasets.yolo.yolo_folders import IMAGE_FOLDERS, label_path
from detcli.datasets.yolo.yolo_images import list_images
from detcli.datasets.yolo.yolo_labels import LabelRows
from detcli.datasets.yolo.yolo_masks import with_outlines
from detcli.datasets.yolo.yolo_yaml import DataYaml, read_yolo_classes
from detcli.errors import NoDataError, UsageError
from detcli.structures.class_labels import ClassLabels

_SLACK = 1e-3  # fraction of the image side


class YoloDataset(AnnotatedImages):
    """The YAML file of a YOLO dataset, or the folder that has one.

    where    as the user typed it
    part     `train` or `val` of the YAML file
    images   must be None: the YAML file has the image folders
    classes  class names by class index that the dataset's classes are matched to; None: the dataset's own classes
    masks    the ground truth has masks, those of polygons; rows without a polygon are dropped

    Raises NoDataError if there is no such dataset or part, UsageError for `images`, and DataError if the dataset cannot
    be used.
    """

    def __init__(
        self,
        where: str,
        *,
        part: Part = "train",
        images: Path | None = None,
        classes: tuple[str, ...] | None = None,
        masks: bool = False,
    ) -> None:
        yaml_file = find_layout(where, part).annotations
        if images is not None:
            raise UsageError(f"'{yaml_file}' has the paths of its images; omit `images` ('{images}')")
        data = read_yolo_classes(yaml_file)
        if not data.parts[part]:
            raise NoDataError(f"'{yaml_file}' has no part '{part}'{_only_other(data, part, yaml_file)}")
        issues = IssueReport(where)
        issues.add_sentences(data.notes)
        paths = list_images(data.parts[part], issues)
        rows = LabelRows(data.keypoints, outlines=[] if masks else None)
        tables = _make_tables(paths, yaml_file.parent, rows, data.names, issues, drop_duplicates=part == "train")
        own = ClassLabels.from_names(data.names)
        used = np.bincount(tables.class_ids, minlength=len(own)) > 0
        labels, class_of = match_classes(own, used, classes, issues)
        tables.class_ids[:] = class_of[tables.class_ids]
        super().__init__(
            tables, labels, issues, annotations=yaml_file, image_folders=[str(source) for source in data.parts[part]]
        )


def _make_tables(
    paths: list[str],
    base: Path,
    rows: LabelRows,
    names: tuple[str, ...],
    issues: IssueReport,
    *,
    drop_duplicates: bool,
) -> AnnotationTables:
    counts = [rows.read(label_path(path)) for path in paths]
    issues.add(len(rows.unread), "label file{s} cannot be read, so {its} images have no boxes", rows.unread)
    ambiguous = _check_rows(rows, issues)
    class_ids = np.array(rows.class_ids, np.int64)
    unknown = np.flatnonzero((class_ids < 0) | (class_ids >= len(names))).tolist()
    issues.raise_if_any(
        len(unknown),
        f"row{{s}} {{have}} a class id that is not among the {len(names)} names",
        (f"{rows.name_of(row)} (class {class_ids[row]})" for row in unknown),
    )
    corners = rows.boxes_xyxy()
    far = (corners[:, 2:] > 2).all(axis=1)
    if len(corners) and far.all():
        issues.reject("all its boxes are far outside the image, as boxes in pixels are; YOLO boxes are fractions")
    in_pixels = map(rows.name_of, np.flatnonzero(far).tolist())
    issues.add(int(far.sum()), "row{s} {were} dropped: as far outside the image as boxes in pixels", in_pixels)
    near = np.setdiff1d(np.flatnonzero(~far), ambiguous).astype(np.int64)
    near = near[with_outlines(rows, near, issues)]
    _check_format(corners[near], issues)
    boxes, valid = check_boxes(
        corners[near], np.ones((len(near), 2)), lambda row: rows.name_of(int(near[row])), issues, slack=_SLACK
    )
    boxes, near = boxes[valid], near[valid]
    images = np.repeat(np.arange(len(paths)), counts)[near]
    outlines = rows.outlines_of(near)
    duplicates = find_duplicates(np.column_stack((images, class_ids[near])), corners[near], outlines)
    names_of = near  # of the rows before any is dropped
    kept = check_duplicates(duplicates, lambda row: rows.name_of(int(names_of[row])), issues, drop=drop_duplicates)
    boxes, near, images = boxes[kept], near[kept], images[kept]
    return AnnotationTables(
        unit="fractions",
        paths=paths,
        names=[_relative(path, base) for path in paths],
        image_ids=np.arange(1, len(paths) + 1),
        sizes_hw=np.zeros((len(paths), 2), np.int32),
        starts=np.concatenate(([0], np.cumsum(np.bincount(images, minlength=len(paths))))),
        boxes_xyxy=boxes,
        class_ids=class_ids[near],
        crowd=np.zeros(len(near), np.bool_),
        areas=np.full(len(near), np.nan),
        masks=None if outlines is None else FractionOutlines([outlines[row] for row in kept.tolist()]),
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


def _only_other(data: DataYaml, part: Part, file: Path) -> str:
    """The end of the message for a part that does not exist: what exists, or what was searched."""
    others = [f"'{name}' in '{sources[0]}'" for name, sources in data.parts.items() if sources and name != part]
    if others:
        return f"; it has {others[0]}"
    searched = ", ".join(f"'{file.parent / name}'" for name in IMAGE_FOLDERS[:2])
    return f": it names no images, and there are none in {searched} and in folders of the parts"


def _relative(path: str, base: Path) -> str:
    """Path relative to the folder of the YAML file; absolute if it is elsewhere."""
    relative = os.path.relpath(path, base)
    return (os.path.abspath(path) if relative.startswith("..") else relative).replace(os.sep, "/")  # noqa: PTH100
