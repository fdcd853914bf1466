"""Checks the boxes of a dataset: drops invalid ones and clips those that extend beyond their image."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from detcli.datasets.issues import IssueReport

MAX_INVALID_SHARE = 0.5  # of the images, or of the boxes; with more the dataset is rejected

Boxes = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def check_boxes(
    boxes_xyxy: Boxes,
    sides_hw: npt.NDArray[np.float64],
    name_of: Callable[[int], str],
    issues: IssueReport,
    *,
    slack: float,
) -> tuple[Boxes, Mask]:
    """Clip boxes to their images, and find the valid ones.

    boxes_xyxy  float64 [N, 4]  any values; NaN for a missing number
    sides_hw    float64 [N, 2]  image size of each box, in the same unit; infinity if unknown
    name_of     name of a box for messages, by its row
    slack       boxes that extend beyond their image by less are not clipped: evaluation compares with the annotations

    returns     the boxes, and bool [N]: which of them are valid

    A box is invalid if it is not four finite numbers, has no area, or is outside its image. Raises DataError if most
    boxes are invalid.
    """
    finite: Mask = np.asarray(np.isfinite(boxes_xyxy).all(axis=1))
    sides = sides_hw[:, [1, 0, 1, 0]]
    inside = np.clip(np.nan_to_num(boxes_xyxy), 0, sides)
    flat = finite & ~_has_area(boxes_xyxy)
    outside = finite & ~flat & ~_has_area(inside)
    valid = finite & ~flat & ~outside
    beyond = (boxes_xyxy < -slack) | (boxes_xyxy > sides + slack)
    for mask, what in (
        (~finite, "box{es} {are} not four numbers"),
        (flat, "box{es} {have} no area"),
        (outside, "box{es} {are} outside the image"),
    ):
        check_share(mask, f"{what} and {{were}} dropped", name_of, issues, most=1.0)
    if (~valid).sum() > MAX_INVALID_SHARE * len(valid):
        invalid = np.flatnonzero(~valid).tolist()
        what = f"of {len(valid):,} boxes cannot be used"
        issues.raise_if_any(len(invalid), what, map(name_of, invalid), advice="; ".join(issues.messages))
    check_share(
        valid & beyond.any(axis=1), "box{es} {were} cut off at the edge of the image", name_of, issues, most=1.0
    )
    return np.where(beyond.any(axis=1, keepdims=True), inside, boxes_xyxy), valid


def check_share(
    mask: Mask, what: str, name_of: Callable[[int], str], issues: IssueReport, *, most: float = MAX_INVALID_SHARE
) -> None:
    """Report the rows of a mask; raises DataError if their share exceeds `most`."""
    rows = np.flatnonzero(mask).tolist()
    if len(rows) > most * len(mask):
        issues.raise_if_any(len(rows), what, map(name_of, rows))
    issues.add(len(rows), what, map(name_of, rows))


def _has_area(boxes: Boxes) -> Mask:
    return np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
