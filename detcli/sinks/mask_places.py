"""Where the name of a mask stands: of stuff in the middle of its largest area, of a thing at its head or near it."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from detcli.sinks.patches import Patch
from detcli.sinks.tags import covered

Cells = npt.NDArray[np.uint8]

_CELLS = 8  # to the width and to the height of a tag, where room for it is looked for
_AMPLE = 2 * _CELLS  # cells around a place: more room makes it no better
_FINEST = 512  # cells to a side at most
_MOST_HIDDEN = 0.25  # of a picture by tags: what has the lowest scores goes without, and on a thumbnail nearly all
_UNREADABLE = 0.5  # of a tag under others


def mask_places(
    size_hw: tuple[int, ...], patches: Sequence[Patch], tag_sizes_hw: Sequence[tuple[int, ...]], stuff: Sequence[bool]
) -> list[tuple[int, int] | None]:
    """Left and top of each tag, all of it inside the picture; None where there is no room for one more.

    Things choose before stuff, which has more room; among them the best scores choose first.
    """
    places: list[tuple[int, int] | None] = [None] * len(patches)
    room = _MOST_HIDDEN * size_hw[0] * size_hw[1]
    taken = np.empty((0, 4))
    for number in sorted(range(len(patches)), key=lambda number: stuff[number]):
        patch, (height, width) = patches[number], tag_sizes_hw[number]
        if not patch.inside.size or not 0 < height * width <= max(room, 0):
            continue
        if stuff[number]:
            x, y = _roomiest(patch, height, width, taken)
            spots = np.array([[x - width / 2, y - height / 2, 0.0]])
        else:
            spots = np.array(_spots(patch, height, width))
        spots[:, 0] = spots[:, 0].clip(0, size_hw[1] - width)
        wanted = spots[:, 1].copy()
        spots[:, 1] = spots[:, 1].clip(0, size_hw[0] - height)
        spots[:, 2] += 0.5 * (spots[:, 1] != wanted)  # pushed back into the picture, and onto what it names
        hidden = covered(spots[:, :2], height, width, taken)
        best = int(np.argmin(hidden + spots[:, 2]))
        if hidden[best] > _UNREADABLE:
            continue
        left, top, _ = spots[best].tolist()
        taken = np.append(taken, [[left, top, left + width, top + height]], axis=0)
        places[number] = (int(left), int(top))
        room -= height * width
    return places


def _spots(patch: Patch, height: int, width: int) -> list[tuple[float, float, float]]:
    """Left and top where a thing's tag may stand, and how little it is liked: 1 is as bad as lying on another tag."""
    rows = np.flatnonzero(patch.inside.any(axis=1))
    head = _middle_column(patch, rows[: max(1, len(rows) // 8)]) - width / 2
    foot = _middle_column(patch, rows[-max(1, len(rows) // 8) :]) - width / 2
    upper, lower = patch.top + int(rows[0]), patch.top + int(rows[-1]) + 1
    hidden = 0.04 + min(1.0, 1.5 * height * width / max(1, int(patch.inside.sum())))
    x, y = _roomiest(patch, height, width, np.empty((0, 4)))
    return [
        (head, upper - height, 0.0),
        (head - width / 2, upper - height, 0.03),
        (head + width / 2, upper - height, 0.03),
        (x - width / 2, y - height / 2, hidden),
        (head, upper, hidden + 0.02),
        (foot, lower, 0.12),
        (foot, lower - height, hidden + 0.03),
    ]


def _middle_column(patch: Patch, rows: npt.NDArray[np.int64]) -> float:
    columns = np.flatnonzero(patch.inside[rows].any(axis=0))
    return patch.left + (int(columns[0]) + int(columns[-1]) + 1) / 2


def _roomiest(patch: Patch, height: int, width: int, taken: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The middle of a tag where most of the mask is around it and no other tag; of equal places the most central.

    The mask is seen in cells so that the tag is a square of them: the distance to the next cell that is not the mask's,
    by the longer of its two ways, then says how large a tag fits.
    """
    rows, columns = patch.inside.shape
    down = min(rows, _FINEST, max(1, round(rows * _CELLS / height)))
    across = min(columns, _FINEST, max(1, round(columns * _CELLS / width)))
    cells = cv2.resize(patch.inside, (across, down), interpolation=cv2.INTER_NEAREST)
    free = cells.copy()
    scale = np.array([across / columns, down / rows] * 2)
    for left, top, right, bottom in ((taken - [patch.left, patch.top] * 2).clip(0) * scale).tolist():
        free[int(top) : math.ceil(bottom), int(left) : math.ceil(right)] = 0
    room = cv2.distanceTransform(cv2.copyMakeBorder(free, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_C, 3)[1:-1, 1:-1]
    room = np.minimum(room, _AMPLE)
    best = np.argwhere(room >= room.max())
    middle = np.argwhere(cells).mean(axis=0) if cells.any() else best.mean(axis=0)
    y, x = best[int(np.argmin(((best - middle) ** 2).sum(axis=1)))].tolist()
    return patch.left + (x + 0.5) * columns / across, patch.top + (y + 0.5) * rows / down
