"""Paints the regions of an id map on an image: translucent, with a thin edge."""

from collections.abc import Sequence

import cv2
import numpy as np

from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color
from detcli.visualization.id_map import Numbers

_OPACITY = 0.5  # of a region: its color and the image are both visible
_ROWS = 256  # at a time, to save memory


def paint_regions(canvas: Pixels, ids: Numbers, colors: Sequence[Color], line: int) -> None:
    """Color the regions of an image in place; their edges are `line` pixels wide, inside the regions.

    ids  int32 [H, W]: 0 is no region, n has the n-th color
    """
    palette = np.array([(0, 0, 0), *colors], np.uint8)
    height = len(canvas)
    for first in range(0, height, _ROWS):
        last = min(first + _ROWS, height)
        rows, context = ids[first:last], slice(max(0, first - line), min(last + line, height))
        edge = _edges(ids[context], line)[first - context.start :][: last - first]
        region_colors = palette[rows]  # [rows, W, 3]
        below = canvas[first:last]
        mixed = cv2.addWeighted(below, 1 - _OPACITY, region_colors, _OPACITY, 0)
        for source, where in ((mixed, rows > 0), (region_colors, edge & (rows > 0))):
            cv2.copyTo(source, where.view(np.uint8), below)


def _edges(ids: Numbers, line: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where another region is at most `line` pixels away; the border of the image is not an edge."""
    near = np.ones((2 * line + 1, 2 * line + 1), np.uint8)
    numbers = ids.astype(np.float32)  # the type of the filters, exact for integers up to 2**24
    differs: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = cv2.dilate(numbers, near) != cv2.erode(numbers, near)
    return differs
