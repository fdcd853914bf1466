"""Which boxes of a dataset can be used; what leaves its image is cut off at the edge."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from detcli.datasets.issues import IssueReport

MOST_WRONG = 0.5  # share of the images, or of the boxes, that may be unusable

Boxes = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def check_boxes(
    boxes_xyxy: Boxes,
    sides_hw: npt.NDArray[np.float64],
    name_of: Callable[[int], str],
    findings: IssueReport,
    *,
    slack: float,
) -> tuple[Boxes, Mask]:
    """The boxes, cut off at the edge where they reach beyond it, and which of them can be used.

    boxes_xyxy  float64 [N, 4]  anything; NaN where there is no number
    sides_hw    float64 [N, 2]  of the image of each, in the same unit; infinite where they are not known
    name_of     what to call a box by its row
    slack       by how much a box may leave its image and stay as it is: evaluates hold results against what was written

    Boxes that are no numbers, without area or outside their image cannot be used. Raises DataError where these are
    most.
    """
    ordinary: Mask = np.asarray(np.isfinite(boxes_xyxy).all(axis=1))
    sides = sides_hw[:, [1, 0, 1, 0]]
    inside = np.clip(np.nan_to_num(boxes_xyxy), 0, sides)
    flat = ordinary & ~_has_area(boxes_xyxy)
    outside = ordinary & ~flat & ~_has_area(inside)
    usable = ordinary & ~flat & ~outside
    beyond = (boxes_xyxy < -slack) | (boxes_xyxy > sides + slack)
    for mask, what in (
        (~ordinary, "box{es} {are} not four numbers"),
        (flat, "box{es} {have} no area"),
        (outside, "box{es} {are} outside the image"),
    ):
        judge(mask, f"{what} and {{were}} dropped", name_of, findings, most=1.0)
    if (~usable).sum() > MOST_WRONG * len(usable):
        wrong = np.flatnonzero(~usable).tolist()
        what = f"of {len(usable):,} boxes cannot be used"
        findings.refuse(len(wrong), what, map(name_of, wrong), advice="; ".join(findings.sentences))
    judge(usable & beyond.any(axis=1), "box{es} {were} cut off at the edge of the image", name_of, findings, most=1.0)
    return np.where(beyond.any(axis=1, keepdims=True), inside, boxes_xyxy), usable


def judge(
    mask: Mask, what: str, name_of: Callable[[int], str], findings: IssueReport, *, most: float = MOST_WRONG
) -> None:
    """Say what is wrong with the rows of a mask; raises DataError where these are more than a share of all."""
    rows = np.flatnonzero(mask).tolist()
    if len(rows) > most * len(mask):
        findings.refuse(len(rows), what, map(name_of, rows))
    findings.note(len(rows), what, map(name_of, rows))


def _has_area(boxes: Boxes) -> Mask:
    return np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
