"""Colors laid over an image where a map of ids says whose they are: translucent, with a thin edge to each region."""

from collections.abc import Sequence

import cv2
import numpy as np

from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color
from detcli.visualization.id_map import Numbers

_OPACITY = 0.5  # of a region: both its color and what is below are seen
_ROWS = 256  # at a time, so that what is held besides the image stays small


def paint(canvas: Pixels, ids: Numbers, colors: Sequence[Color], line: int) -> None:
    """Color the regions of an image in place; their edges, `line` pixels wide, lie inside them.

    ids     int32 [H, W]: 0 for nothing, n for the n-th color
    """
    inks = np.array([(0, 0, 0), *colors], np.uint8)
    height = len(canvas)
    for first in range(0, height, _ROWS):
        last = min(first + _ROWS, height)
        rows, known = ids[first:last], slice(max(0, first - line), min(last + line, height))
        edge = _edges(ids[known], line)[first - known.start :][: last - first]
        ink = inks[rows]  # [rows, W, 3]
        below = canvas[first:last]
        mixed = cv2.addWeighted(below, 1 - _OPACITY, ink, _OPACITY, 0)
        for source, where in ((mixed, rows > 0), (ink, edge & (rows > 0))):
            cv2.copyTo(source, where.view(np.uint8), below)


def _edges(ids: Numbers, line: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where something else is at most `line` pixels away; beyond the image there is nothing else."""
    near = np.ones((2 * line + 1, 2 * line + 1), np.uint8)
    numbers = ids.astype(np.float32)  # which the filters take, and which holds every integer up to 2**24
    differs: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = cv2.dilate(numbers, near) != cv2.erode(numbers, near)
    return differs
