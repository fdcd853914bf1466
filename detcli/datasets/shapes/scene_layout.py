"""Where the shapes of an image lie: all that its ground truth needs, and not a pixel painted.

Boxes are the exact extent of each shape's own outline within the image, whatever lies over it.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from detcli.datasets.shapes.outlines import OUTLINES, Outline
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.seeding import derive_seed

VERSION = 1  # another number is another set: it goes into every seed
CLASSES: tuple[str, ...] = tuple(OUTLINES)

MOST_SHAPES = 10
SMALLEST, LARGEST = 1 / 8, 2 / 3  # longer side of a whole shape, in short sides of the image
LEAST_VISIBLE = 0.6  # share of a shape that lies in the image and under no other
STRETCH = 1.2  # most that one axis of a shape is drawn out against the other

_LONG_SIDE = (240, 384)  # pixels
_MOST_ASPECT = 1.6
_SHORTEST_SIDE = 192
_EMPTY_SHARE = 0.04  # images without a shape
_TRIES = 6  # places that are tried for a shape before it is left out
_CELL = 2  # pixels a side of the cells by which overlaps are counted


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape in its place.

    outline   polygons in pixels; parts of them may lie outside the image
    box_xyxy  the extent of the shape within the image
    """

    class_id: int
    outline: Outline
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class SceneLayout:
    """An image before it is painted.

    seed    what all else about the image follows from
    shapes  from the lowest to the uppermost
    """

    seed: int
    size_hw: tuple[int, int]
    shapes: tuple[Shape, ...]

    def ground_truth(self) -> GroundTruth:
        """The boxes, in the order of painting; class ids by `CLASSES`."""
        return GroundTruth(
            np.array([shape.box_xyxy for shape in self.shapes], np.float64).reshape(-1, 4),
            np.array([shape.class_id for shape in self.shapes], np.int64),
            np.zeros(len(self.shapes), np.bool_),
        )


def lay_out(seed: int, index: int, size_hw: tuple[int, int] | None = None) -> SceneLayout:
    """Choose size, number, classes and places for image `index` of a seed.

    size_hw  None: sides of 192 to 384 pixels, from upright 8:5 to lying 8:5, as the seed has it
    """
    image_seed = derive_seed(seed, index, "shapes", VERSION)
    rng = np.random.default_rng(image_seed)
    own_size = _image_size(rng)
    size_hw = size_hw or own_size
    count = 0 if rng.random() < _EMPTY_SHARE else 1 + int(MOST_SHAPES * rng.random() ** 1.3)
    floor = _OccupiedArea(size_hw)
    for _ in range(count):
        _place(floor, rng, crowd=count / MOST_SHAPES)
    return SceneLayout(image_seed, size_hw, tuple(floor.shapes))


def clipped_extent(outline: Outline, size_hw: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of what an image of this size shows of a shape; None where that is nothing.

    The extremes of polygon and rectangle together are corners of one within the other, or where their sides cross.
    """
    height, width = size_hw
    points = np.concatenate(outline)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return left, top, right, bottom
    starts, ends = points, np.concatenate([np.roll(polygon, -1, axis=0) for polygon in outline])
    found = [points, _crossings(starts, ends, 0, 0.0), _crossings(starts, ends, 0, width)]
    found += [_crossings(starts, ends, 1, 0.0), _crossings(starts, ends, 1, height)]
    found.append(_corners_within(starts, ends, size_hw))
    candidates = np.concatenate(found)
    seen = candidates[((candidates >= 0) & (candidates <= (width, height))).all(axis=1)]
    if len(seen) == 0:
        return None
    (left, top), (right, bottom) = seen.min(axis=0).tolist(), seen.max(axis=0).tolist()
    return left, top, right, bottom


class _OccupiedArea:
    """The shapes laid so far, and which cell of the image shows which of them (0: none, k: number k - 1)."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self.size_hw = size_hw
        self.shapes: list[Shape] = []
        self.cells = np.zeros((-(-size_hw[0] // _CELL), -(-size_hw[1] // _CELL)), np.uint8)
        self.seen: npt.NDArray[Any] = np.zeros(1)  # cells that show each shape
        self.least: npt.NDArray[Any] = np.zeros(1)  # and how few they may be

    def lay(self, class_id: int, outline: Outline) -> bool:
        """Lay a shape on top, unless too little of it or of another one would be seen."""
        box = clipped_extent(outline, self.size_hw)
        if box is None:
            return False
        mask, column, row = cells_of(outline)
        rows, columns = slice(max(0, row), row + mask.shape[0]), slice(max(0, column), column + mask.shape[1])
        under = self.cells[rows, columns]
        within = mask[rows.start - row :, columns.start - column :][: under.shape[0], : under.shape[1]]
        lost = np.bincount(under[within], minlength=len(self.seen))
        seen = np.append(self.seen - lost, np.count_nonzero(within))
        least = np.append(self.least, LEAST_VISIBLE * np.count_nonzero(mask))
        if (seen[1:] < least[1:]).any():
            return False
        self.shapes.append(Shape(class_id, outline, box))
        under[within] = len(self.shapes)
        self.seen, self.least = seen, least
        return True


def _place(floor: _OccupiedArea, rng: np.random.Generator, *, crowd: float) -> None:
    """Add a shape of any class, or none where no room is found for it; `crowd` from 0 to 1 favours small ones."""
    class_id = int(rng.integers(len(CLASSES)))
    outline = turned(OUTLINES[CLASSES[class_id]](rng), rng)
    height, width = floor.size_hw
    skew = 0.9 + 0.5 * crowd
    for _ in range(_TRIES):
        size = min(height, width) * SMALLEST * (LARGEST / SMALLEST) ** (rng.random() ** skew)
        reach = 0.3 * size if rng.random() < 0.3 else 0.5 * size + 1  # three in ten may be cut by the border
        center = np.array([rng.uniform(reach, width - reach), rng.uniform(reach, height - reach)])
        if floor.lay(class_id, tuple(polygon * size + center for polygon in outline)):
            return


def turned(outline: Outline, rng: np.random.Generator) -> Outline:
    """Stretch, mirror and turn an outline, then bring its extent to the origin and to a longer side of 1."""
    stretch = STRETCH ** rng.uniform(-0.5, 0.5)
    angle = rng.uniform(0, 2 * np.pi)
    side = 1.0 if rng.random() < 0.5 else -1.0
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([(cos * stretch * side, -sin / stretch), (sin * stretch * side, cos / stretch)])
    turned = [polygon @ matrix.T for polygon in outline]
    lowest, highest = turned[0].min(axis=0), turned[0].max(axis=0)  # the first polygon is the outer one
    return tuple((polygon - (lowest + highest) / 2) / (highest - lowest).max() for polygon in turned)


def _image_size(rng: np.random.Generator) -> tuple[int, int]:
    long_side = int(rng.integers(_LONG_SIDE[0], _LONG_SIDE[1] + 1))
    aspect = rng.uniform(1.0, _MOST_ASPECT)
    short_side = max(_SHORTEST_SIDE, round(long_side / aspect))
    return (short_side, long_side) if rng.random() < 0.6 else (long_side, short_side)


def cells_of(outline: Outline) -> tuple[npt.NDArray[np.bool_], int, int]:
    """The cells [h, w] that a shape covers where nothing cuts it off, with the column and row of the first."""
    lowest, highest = outline[0].min(axis=0), outline[0].max(axis=0)
    origin = np.floor(lowest / _CELL) - 1
    width, height = (np.ceil(highest / _CELL) + 1 - origin).astype(int).tolist()
    cells = np.zeros((height, width), np.uint8)
    sixteenths = [np.rint((polygon / _CELL - origin - 0.5) * 16).astype(np.int32) for polygon in outline]
    cv2.fillPoly(cells, sixteenths, 1, cv2.LINE_8, 4)
    return cells.view(np.bool_), int(origin[0]), int(origin[1])


def _crossings(
    starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], axis: int, line: float
) -> npt.NDArray[np.float64]:
    """Where sides cross the line on which a coordinate has one value: [n, 2]."""
    crosses = (starts[:, axis] < line) != (ends[:, axis] < line)
    start, end = starts[crosses], ends[crosses]
    share = (line - start[:, axis]) / (end[:, axis] - start[:, axis])
    points: npt.NDArray[np.float64] = start + (end - start) * share[:, None]
    points[:, axis] = line
    return points


def _corners_within(
    starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], size_hw: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Corners of the image that lie in the shape: [n, 2]."""
    height, width = size_hw
    within = []
    for x, y in ((0.0, 0.0), (width, 0.0), (0.0, height), (width, height)):
        to_the_right = _crossings(starts, ends, 1, y)[:, 0] > x
        if np.count_nonzero(to_the_right) % 2 == 1:
            within.append((float(x), float(y)))
    return np.array(within).reshape(-1, 2)
