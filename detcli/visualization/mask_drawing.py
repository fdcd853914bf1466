"""Paints the regions of an id map on an image: half transparent, with a thin edge."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color
from detcli.visualization.id_map import Numbers

Bools = npt.NDArray[np.bool_]

_PIXEL = np.dtype((np.void, 3))  # a pixel as one item, which is copied 30 times as fast as its three values
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
        region_colors = palette.take(rows, axis=0)  # [rows, W, 3]
        below = canvas[first:last]
        mixed = (below & region_colors) + ((below ^ region_colors) >> 1)  # the mean of both
        for source, where in ((mixed, rows > 0), (region_colors, edge & (rows > 0))):
            np.copyto(below.view(_PIXEL), source.view(_PIXEL), where=where[..., None])


def _edges(ids: Numbers, line: int) -> Bools:
    """Where another region is at most `line` pixels away, [H, W]; the border of the image is not an edge.

    The square around a pixel has one region if each of its rows has one, and its middle column too.
    """
    across, down = np.zeros(ids.shape, np.bool_), np.zeros(ids.shape, np.bool_)
    np.not_equal(ids[:, 1:], ids[:, :-1], out=across[:, 1:])  # than on the left
    np.not_equal(ids[1:], ids[:-1], out=down[1:])  # than above
    row_differs = _any_near(across.T, line - 1, line).T
    return _any_near(row_differs, line, line) | _any_near(down, line - 1, line)


def _any_near(marks: Bools, before: int, after: int) -> Bools:
    """Whether a row, or one of so many rows before and after it, is marked, [H, W]."""
    near = np.pad(marks, ((before, after), (0, 0)))
    rows = 1  # that each row of `near` stands for
    while rows <= before + after:
        step = min(rows, before + after + 1 - rows)
        near = near[:-step] | near[step:]
        rows += step
    return near
