"""Checks the boxes of a dataset: drops invalid ones, clips those that extend beyond their image, finds duplicates."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.issues import IssueReport

MAX_INVALID_SHARE = 0.5  # of the images, or of the boxes; with more the dataset is rejected

Boxes = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)  # large and odd


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


def check_duplicates(
    duplicates: Mask, name_of: Callable[[int], str], issues: IssueReport, *, drop: bool
) -> npt.NDArray[np.int64]:
    """Report duplicate boxes and return the rows to keep.

    duplicates  bool [N]: rows that are equal to an earlier one
    name_of     name of a box for messages, by its row
    drop        whether they are dropped, as for training; evaluation compares with the annotations as they are
    """
    rows = np.flatnonzero(duplicates).tolist()
    end = "{were} dropped" if drop else "each is evaluated separately, which lowers AP"
    what = f"box{{es}} {{are}} {{duplicates}} of another one, of the same image and class, and {end}"
    issues.add(len(rows), what, map(name_of, rows))
    return np.flatnonzero(~duplicates) if drop else np.arange(len(duplicates))


def find_duplicates(ids: Ids, boxes: Boxes, masks: Sequence[Any] | None = None) -> Mask:
    """Bool [N]: boxes that are equal to an earlier one.

    ids    int64 [N, K]    what must be equal besides the box: image, class, crowd
    boxes  float64 [N, 4]
    masks  source of each mask, which must be equal too; None: masks do not count
    """
    contents = np.concatenate((ids, (boxes + 0.0).view(np.int64)), axis=1)  # + 0.0: -0.0 is 0.0
    candidates = np.flatnonzero(_may_repeat(contents))
    first: dict[tuple[int, ...], list[int]] = {}
    duplicates = np.zeros(len(contents), np.bool_)
    for row, key in zip(candidates.tolist(), map(tuple, contents[candidates].tolist()), strict=True):
        earlier = first.setdefault(key, [])
        duplicates[row] = any(masks is None or masks[other] == masks[row] for other in earlier)
        if not duplicates[row]:
            earlier.append(row)
    return duplicates


def _may_repeat(contents: Ids) -> Mask:
    """Bool [N]: rows whose hash another row has too; comparing hashes is faster than comparing rows."""
    columns = contents.view(np.uint64)
    hashes = np.zeros(len(columns), np.uint64)
    for column in range(columns.shape[1]):
        hashes = (hashes ^ columns[:, column]) * _FACTORS[column % len(_FACTORS)]
        hashes ^= hashes >> np.uint64(29)
    _, indices, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return np.asarray(counts[indices] > 1)


def _has_area(boxes: Boxes) -> Mask:
    return np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
