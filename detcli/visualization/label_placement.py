"""Where the name of a mask stands: of stuff in the middle of its largest area, of a thing at its head or near it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from detcli.visualization.id_map import Numbers
from detcli.visualization.label_boxes import covered

_CELLS = 8  # to the width and to the height of a tag, where room for it is looked for
_AMPLE = 2 * _CELLS  # cells around a place: more room makes it no better
_FINEST = 512  # cells to a side that are enough
_MOST_HIDDEN = 0.25  # of an image by tags: what has the lowest scores goes without, and on a thumbnail nearly all
_UNREADABLE = 0.5  # of a tag under others


@dataclass(frozen=True, slots=True)
class MaskRegion:
    """What is to be seen of a mask, in cells of some pixels: no more of them than places need.

    left, top   of the box around it, in pixels
    step_hw     pixels to a cell
    cells       uint8 [h, w], 1 where it is
    """

    left: int
    top: int
    step_hw: tuple[int, int]
    cells: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, ids: Numbers, number: int, box_xyxy: Sequence[float]) -> "MaskRegion":
        """The region of a number in a map of ids; the box holds all of it."""
        left, top, right, bottom = (round(edge) for edge in box_xyxy)
        down, across = max(1, (bottom - top) // _FINEST), max(1, (right - left) // _FINEST)
        cells = ids[top + down // 2 : bottom : down, left + across // 2 : right : across] == number
        return cls(left, top, (down, across), cells.astype(np.uint8))

    @property
    def area(self) -> int:
        """About how many pixels it has."""
        return int(self.cells.sum()) * self.step_hw[0] * self.step_hw[1]


def mask_places(
    size_hw: tuple[int, ...],
    regions: Sequence[MaskRegion],
    tag_sizes_hw: Sequence[tuple[int, ...]],
    stuff: Sequence[bool],
) -> list[tuple[int, int] | None]:
    """Left and top of each tag, all of it inside the image; None where there is no room for one more.

    Things choose before stuff, which has more room; among them the best scores choose first.
    """
    places: list[tuple[int, int] | None] = [None] * len(regions)
    room = _MOST_HIDDEN * size_hw[0] * size_hw[1]
    taken = np.empty((0, 4))
    for number in sorted(range(len(regions)), key=lambda number: stuff[number]):
        region, (height, width) = regions[number], tag_sizes_hw[number]
        if not region.cells.any() or not 0 < height * width <= max(room, 0):
            continue
        if stuff[number]:
            x, y = _roomiest(region, height, width, taken)
            spots = np.array([[x - width / 2, y - height / 2, 0.0]])
        else:
            spots = np.array(_spots(region, height, width))
        spots[:, 0] = spots[:, 0].clip(0, size_hw[1] - width)
        wanted = spots[:, 1].copy()
        spots[:, 1] = spots[:, 1].clip(0, size_hw[0] - height)
        spots[:, 2] += 0.5 * (spots[:, 1] != wanted)  # pushed back into the image, and onto what it names
        hidden = covered(spots[:, :2], height, width, taken)
        best = int(np.argmin(hidden + spots[:, 2]))
        if hidden[best] > _UNREADABLE:
            continue
        left, top, _ = spots[best].tolist()
        taken = np.append(taken, [[left, top, left + width, top + height]], axis=0)
        places[number] = (int(left), int(top))
        room -= height * width
    return places


def _spots(region: MaskRegion, height: int, width: int) -> list[tuple[float, float, float]]:
    """Left and top where a thing's tag may stand, and how little it is liked: 1 is as bad as lying on another tag."""
    rows = np.flatnonzero(region.cells.any(axis=1))
    head = _middle_column(region, rows[: max(1, len(rows) // 8)]) - width / 2
    foot = _middle_column(region, rows[-max(1, len(rows) // 8) :]) - width / 2
    upper, lower = (region.top + int(row) * region.step_hw[0] for row in (rows[0], rows[-1] + 1))
    hidden = 0.04 + min(1.0, 1.5 * height * width / region.area)
    x, y = _roomiest(region, height, width, np.empty((0, 4)))
    return [
        (head, upper - height, 0.0),
        (head - width / 2, upper - height, 0.03),
        (head + width / 2, upper - height, 0.03),
        (x - width / 2, y - height / 2, hidden),
        (head, upper, hidden + 0.02),
        (foot, lower, 0.12),
        (foot, lower - height, hidden + 0.03),
    ]


def _middle_column(region: MaskRegion, rows: npt.NDArray[np.int64]) -> float:
    columns = np.flatnonzero(region.cells[rows].any(axis=0))
    return region.left + region.step_hw[1] * (int(columns[0]) + int(columns[-1]) + 1) / 2


def _roomiest(region: MaskRegion, height: int, width: int, taken: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The middle of a tag where most of the region is around it and no other tag; of equal places the most central.

    The region is seen in cells so that the tag is a square of them: the distance to the next cell that is not the
    region's, by the longer of its two ways, then says how large a tag fits.
    """
    rows, columns = (side * step for side, step in zip(region.cells.shape, region.step_hw, strict=True))  # in pixels
    down = min(region.cells.shape[0], max(1, round(rows * _CELLS / height)))
    across = min(region.cells.shape[1], max(1, round(columns * _CELLS / width)))
    cells = cv2.resize(region.cells, (across, down), interpolation=cv2.INTER_NEAREST)
    free = cells.copy()
    scale = np.array([across / columns, down / rows] * 2)
    for left, top, right, bottom in ((taken - [region.left, region.top] * 2).clip(0) * scale).tolist():
        free[int(top) : math.ceil(bottom), int(left) : math.ceil(right)] = 0
    room = cv2.distanceTransform(cv2.copyMakeBorder(free, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_C, 3)[1:-1, 1:-1]
    room = np.minimum(room, _AMPLE)
    best = np.argwhere(room >= room.max())
    middle = np.argwhere(cells).mean(axis=0) if cells.any() else best.mean(axis=0)
    y, x = best[int(np.argmin(((best - middle) ** 2).sum(axis=1)))].tolist()
    return region.left + (x + 0.5) * columns / across, region.top + (y + 0.5) * rows / down
