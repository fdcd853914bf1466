"""Positions of the labels of masks: in the middle of the largest area of stuff, at or near the top of a thing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.visualization.id_map import Numbers
from detcli.visualization.label_boxes import covered_share

_CELLS_PER_LABEL = 8  # per width and height of a label, in the search for free space
_ENOUGH_SPACE = 2 * _CELLS_PER_LABEL  # cells around a position: more free space is not better
_MAX_CELLS = 512  # cells per side are enough
_MAX_COVERED = 0.25  # share of the image that labels may cover; the lowest scores have no label
_MAX_OVERLAP = 0.5  # share of a label that other labels may cover


@dataclass(frozen=True, slots=True)
class MaskRegion:
    """The visible part of a mask, at a resolution that is sufficient for label positions.

    left, top   of the bounding box, in pixels
    step_hw     height and width of a cell in pixels
    cells       uint8 [h, w], 1 inside the mask
    """

    left: int
    top: int
    step_hw: tuple[int, int]
    cells: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, ids: Numbers, number: int, box_xyxy: Sequence[float]) -> "MaskRegion":
        """The region of an id in an id map, inside its bounding box."""
        left, top, right, bottom = (round(edge) for edge in box_xyxy)
        down, across = max(1, (bottom - top) // _MAX_CELLS), max(1, (right - left) // _MAX_CELLS)
        cells = ids[top + down // 2 : bottom : down, left + across // 2 : right : across] == number
        return cls(left, top, (down, across), cells.astype(np.uint8))

    @property
    def area(self) -> int:
        """Approximate number of pixels."""
        return int(self.cells.sum()) * self.step_hw[0] * self.step_hw[1]


def place_mask_labels(
    size_hw: tuple[int, ...],
    regions: Sequence[MaskRegion],
    label_sizes_hw: Sequence[tuple[int, ...]],
    stuff: Sequence[bool],
    *,
    may_overlap: bool = True,
) -> list[tuple[int, int] | None]:
    """Left and top of each label, inside the image; None if there is no space.

    may_overlap  a label may cover up to half of another one

    Things are placed before stuff, which has more space; among them, the best scores are placed first.
    """
    positions: list[tuple[int, int] | None] = [None] * len(regions)
    space = _MAX_COVERED * size_hw[0] * size_hw[1]
    occupied = np.empty((0, 4))
    for number in sorted(range(len(regions)), key=lambda number: stuff[number]):
        region, (height, width) = regions[number], label_sizes_hw[number]
        if not region.cells.any() or not 0 < height * width <= max(space, 0):
            continue
        if stuff[number]:
            x, y = _most_space(region, height, width, occupied)
            candidates = np.array([[x - width / 2, y - height / 2, 0.0]])
        else:
            candidates = np.array(_candidates(region, height, width))
        candidates[:, 0] = candidates[:, 0].clip(0, size_hw[1] - width)
        preferred_top = candidates[:, 1].copy()
        candidates[:, 1] = candidates[:, 1].clip(0, size_hw[0] - height)
        candidates[:, 2] += 0.5 * (candidates[:, 1] != preferred_top)  # moved back into the image, onto the object
        hidden = covered_share(candidates[:, :2], height, width, occupied)
        best = int(np.argmin(hidden + candidates[:, 2]))
        if hidden[best] > (_MAX_OVERLAP if may_overlap else 0):
            continue
        left, top, _ = candidates[best].tolist()
        occupied = np.append(occupied, [[left, top, left + width, top + height]], axis=0)
        positions[number] = (int(left), int(top))
        space -= height * width
    return positions


def _candidates(region: MaskRegion, height: int, width: int) -> list[tuple[float, float, float]]:
    """Candidate positions of the label of a thing: left, top and cost; 1 is as bad as covering another label."""
    rows = np.flatnonzero(region.cells.any(axis=1))
    top_center = _middle_column(region, rows[: max(1, len(rows) // 8)]) - width / 2
    bottom_center = _middle_column(region, rows[-max(1, len(rows) // 8) :]) - width / 2
    upper, lower = (region.top + int(row) * region.step_hw[0] for row in (rows[0], rows[-1] + 1))
    hidden = 0.04 + min(1.0, 1.5 * height * width / region.area)
    x, y = _most_space(region, height, width, np.empty((0, 4)))
    return [
        (top_center, upper - height, 0.0),
        (top_center - width / 2, upper - height, 0.03),
        (top_center + width / 2, upper - height, 0.03),
        (x - width / 2, y - height / 2, hidden),
        (top_center, upper, hidden + 0.02),
        (bottom_center, lower, 0.12),
        (bottom_center, lower - height, hidden + 0.03),
    ]


def _middle_column(region: MaskRegion, rows: npt.NDArray[np.int64]) -> float:
    columns = np.flatnonzero(region.cells[rows].any(axis=0))
    return region.left + region.step_hw[1] * (int(columns[0]) + int(columns[-1]) + 1) / 2


def _most_space(region: MaskRegion, height: int, width: int, occupied: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The center of a label with the most space of the region around it and no other label; the most central one.

    The region is resized so that a label is a square of cells: the Chebyshev distance to the next cell outside the
    region is then the size of the label that fits.
    """
    rows, columns = (side * step for side, step in zip(region.cells.shape, region.step_hw, strict=True))  # in pixels
    down = min(region.cells.shape[0], max(1, round(rows * _CELLS_PER_LABEL / height)))
    across = min(region.cells.shape[1], max(1, round(columns * _CELLS_PER_LABEL / width)))
    cells = region.cells[_sampled(region.cells.shape[0], down)[:, None], _sampled(region.cells.shape[1], across)]
    free = cells.copy()
    scale = np.array([across / columns, down / rows] * 2)
    for left, top, right, bottom in ((occupied - [region.left, region.top] * 2).clip(0) * scale).tolist():
        free[int(top) : math.ceil(bottom), int(left) : math.ceil(right)] = 0
    space = _distance_to_zero(free)
    best = np.argwhere(space >= space.max())
    middle = np.argwhere(cells).mean(axis=0) if cells.any() else best.mean(axis=0)
    y, x = best[int(np.argmin(((best - middle) ** 2).sum(axis=1)))].tolist()
    return region.left + (x + 0.5) * columns / across, region.top + (y + 0.5) * rows / down


def _sampled(count: int, samples: int) -> npt.NDArray[np.int64]:
    """So many indices, evenly spread over `count`."""
    return np.arange(samples) * count // samples


def _distance_to_zero(cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The Chebyshev distance of each cell to the next 0, at most `_ENOUGH_SPACE`; outside, all cells are 0."""
    near = np.pad(cells, 1)
    distance = np.zeros(cells.shape, np.uint8)
    for _ in range(_ENOUGH_SPACE):  # each step turns the border of what is left to 0
        distance += near[1:-1, 1:-1]
        rows = near[:-2] & near[1:-1] & near[2:]
        near[1:-1, 1:-1] = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
        if not near.any():
            break
    return distance
