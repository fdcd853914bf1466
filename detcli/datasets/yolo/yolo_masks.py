"""The rows of YOLO label files that have a mask: their polygons."""

import numpy as np
import numpy.typing as npt

from detcli.datasets.boxes.box_checks import Mask, check_share
from detcli.datasets.issues import IssueReport
from detcli.datasets.yolo.yolo_labels import LabelRows

_NEEDED = "the masks of a model are learned from polygons of three or more points"


def with_outlines(rows: LabelRows, indices: npt.NDArray[np.int64], issues: IssueReport) -> Mask:
    """Bool [indices]: rows that have a mask; all if masks are not requested. Raises DataError if most have none."""
    outlines = rows.outlines_of(indices)
    if outlines is None:
        return np.ones(len(indices), np.bool_)
    boxes = {5} if not rows.keypoints else {5, 5 + rows.keypoints}
    sizes = np.array(rows.sizes, np.int64)[indices]
    without = np.array([outline is None for outline in outlines], np.bool_)
    is_box = np.isin(sizes, list(boxes))

    def name_of(row: int) -> str:
        return rows.name_of(int(indices[row]))

    for mask, kind in (
        (without & is_box, "boxes, or polygons of two points"),
        (without & ~is_box, "polygons without three different points, or far too long"),
    ):
        check_share(mask, f"row{{s}} {{have}} no mask and {{were}} dropped ({kind}; {_NEEDED})", name_of, issues)
    return ~without
