"""Whether coordinates of Pascal VOC count pixels from 1, as in the challenges, or from 0, as most tools write them.

The files do not say it. A box that begins at 0 shows that they count from 0; files whose source is a challenge count
from 1, and the last pixel belongs to the box. All others are read as detcli itself writes them: from 0, and xmax and ymax
are the right and the bottom edge. What was assumed is reported; the user may know it.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from detcli.datasets.formats.geometry import Corners
from detcli.datasets.issues import IssueReport

_NAMED = 3


@dataclass(slots=True)
class _Group:
    """Boxes of files with the same kind of source, and those that begin at 0."""

    boxes: int = 0
    at_zero: int = 0
    first: list[str] = field(default_factory=list)


class VocCoordinates:
    """Collects the evidence of all boxes of a dataset, separately for files from challenges and others.

    first_pixel  number of the first pixel, as the user says; None: found in the files
    """

    def __init__(self, first_pixel: Literal[0, 1] | None = None) -> None:
        self._first_pixel = first_pixel
        self._groups = {True: _Group(), False: _Group()}

    def add(self, corners: Corners, name: str, *, is_challenge: bool) -> None:
        """Take a box into account, as it is written.

        name  of the box, for messages
        """
        group = self._groups[is_challenge]
        group.boxes += 1
        if 0 <= corners[0] < 1 or 0 <= corners[1] < 1:
            group.at_zero += 1
            if len(group.first) < _NAMED:
                group.first.append(name)

    def to_edges(
        self, corners: npt.NDArray[np.float64], has_box: npt.NDArray[np.bool_], *, is_challenge: bool
    ) -> npt.NDArray[np.float64]:
        """Left, top, right and bottom edge, float64 [N, 4], of corners as they are written.

        has_box  bool [N]; other corners are those of polygons, which are edges already
        """
        edges = corners.copy()
        if self._counts_from_one(is_challenge=is_challenge):
            starts = edges[has_box, :2]
            edges[has_box, :2] = np.where((starts >= 0) & (starts < 1), 0, starts - 1)
        return edges

    def _counts_from_one(self, *, is_challenge: bool) -> bool:
        if self._first_pixel is not None:
            return self._first_pixel == 1
        return is_challenge and not self._groups[True].at_zero

    def report(self, issues: IssueReport) -> None:
        """Report what is assumed, or contradicts what the user says."""
        if self._first_pixel is not None:
            at_zero = sum(group.at_zero for group in self._groups.values()) if self._first_pixel == 1 else 0
            names = [name for group in self._groups.values() for name in group.first]
            issues.add(
                at_zero, "box{es} {have} a side at 0, although pixels are counted from 1: it is at the edge", names
            )
            return
        for is_challenge, group in self._groups.items():
            edges = "coordinates are counted from 0, and xmax and ymax are the right and bottom edge"
            if group.at_zero:
                issues.add(group.at_zero, f"box{{es}} {{have}} a side at 0, so {edges}", group.first, harmless=True)
            elif is_challenge:
                what = (
                    "box{es} {are} of a challenge of Pascal VOC by {its} <source>: coordinates are counted from 1, and xmax "
                    "and ymax are the last pixel"
                )
                issues.add(group.boxes, what, harmless=True)
            else:
                what = (
                    f"none of {group.boxes:,} boxes has a side at 0, and <source> names no challenge: it is assumed that "
                    f"{edges}"
                )
                issues.add_sentences([what] if group.boxes else [], harmless=True)
