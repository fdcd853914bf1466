"""The outline of a mask as one polygon along the edges of its pixels: drawn again, it is the same mask.

Parts and holes are joined by lines of no width, as formats with one polygon for each object need it.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Bools, Rle

Points = npt.NDArray[np.int64]
_MOST_LOOPS = 200  # larger ones; the rest of a mask of many specks is left out


def mask_outline(mask: Rle) -> tuple[Points, bool]:
    """The polygon of a mask, and whether it is the whole mask.

    The polygon is int64 [N, 2]: x and y of its corners in pixels, from 0 to width and height; empty without pixels. Of more than
    200 parts and holes, the largest are kept.
    """
    left, top, right, bottom = (int(side) for side in mask.box_xyxy)
    pixels = mask.decode()[top:bottom, left:right]
    if not pixels.any():
        return np.zeros((0, 2), np.int64), True
    loops = sorted(_loops(pixels), key=len, reverse=True)
    polygon = _joined([_without_straight(np.array(loop, np.int64)) for loop in loops[:_MOST_LOOPS]])
    return polygon + np.array([left, top], np.int64), len(loops) <= _MOST_LOOPS


def _loops(pixels: Bools) -> list[list[tuple[int, int]]]:
    """Closed paths of corners along pixel edges, the mask always on the right."""
    padded = np.pad(pixels, 1).astype(np.int8)
    down = np.diff(padded[1:-1], axis=1)  # at (y, x): 1 where the mask begins right of the edge
    across = np.diff(padded[:, 1:-1], axis=0)
    following: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for y, x in np.argwhere(across == 1).tolist():  # the top of a pixel: to the right
        following[x, y].append((x + 1, y))
    for y, x in np.argwhere(across == -1).tolist():  # the bottom: to the left
        following[x + 1, y].append((x, y))
    for y, x in np.argwhere(down == 1).tolist():  # the left side: up
        following[x, y + 1].append((x, y))
    for y, x in np.argwhere(down == -1).tolist():  # the right side: down
        following[x, y].append((x, y + 1))
    loops = []
    while following:
        start = next(iter(following))
        loop, point = [start], _taken(following, start, (0, 0))
        while point != start:
            loop.append(point)
            point = _taken(following, point, loop[-2])
        loops.append(loop)
    return loops


def _taken(
    following: dict[tuple[int, int], list[tuple[int, int]]], point: tuple[int, int], before: tuple[int, int]
) -> tuple[int, int]:
    """The next corner, whose edge is used up; where two pixels touch at a corner, the path turns right and stays at its pixel."""
    choices = following[point]
    if len(choices) > 1:
        step = point[0] - before[0], point[1] - before[1]
        right = point[0] - step[1], point[1] + step[0]
        chosen = right if right in choices else choices[0]
        choices.remove(chosen)
        return chosen
    del following[point]
    return choices[0]


def _without_straight(loop: Points) -> Points:
    """Without corners that lie on a straight line."""
    steps = loop - np.roll(loop, 1, axis=0)
    turns = (steps != np.roll(steps, -1, axis=0)).any(axis=1)
    kept: Points = loop[turns]
    return kept


def _joined(loops: list[Points]) -> Points:
    """One polygon of several: from the nearest corner of what is joined already to each loop, and back."""
    polygon = loops[0]
    for loop in loops[1:]:
        one, other = polygon.astype(np.int32), loop.astype(np.int32)
        distances = np.abs(one[:, None, 0] - other[None, :, 0])
        distances += np.abs(one[:, None, 1] - other[None, :, 1])
        here, there = np.unravel_index(distances.argmin(), distances.shape)
        around = np.concatenate((np.roll(loop, -there, axis=0), loop[there : there + 1]))
        polygon = np.concatenate((polygon[: here + 1], around, polygon[here:]))
    return polygon
