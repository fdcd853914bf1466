"""Chooses the layout of a synthetic image: its size and its shapes, which is all that the ground truth needs.

A box is the exact extent of the outline of a shape in the image, also where other shapes cover it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.shapes.outlines import OUTLINES, Outline
from detcli.opencv import cv2
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.seeding import derive_seed

VERSION = 1  # part of every seed: another version is another dataset
CLASSES: tuple[str, ...] = tuple(OUTLINES)

MAX_SHAPES = 10
SMALLEST, LARGEST = 1 / 8, 2 / 3  # longer side of a complete shape, in short sides of the image
MIN_VISIBLE = 0.6  # visible fraction of a shape
MAX_STRETCH = 1.2  # of one axis of a shape relative to the other

_LONG_SIDE = (240, 384)  # pixels
_MAX_ASPECT = 1.6
_SHORTEST_SIDE = 192
_EMPTY_FRACTION = 0.04  # of images without a shape
_TRIES = 6  # attempts to place a shape before it is omitted
_CELL = 2  # side in pixels of the cells for counting overlaps


@dataclass(frozen=True, slots=True)
class Shape:
    """One placed shape.

    outline   polygons in pixels, possibly partly outside the image
    box_xyxy  extent of the shape in the image
    """

    class_id: int
    outline: Outline
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class SceneLayout:
    """The layout of an image.

    seed    random seed for rendering
    shapes  from bottom to top
    """

    seed: int
    size_hw: tuple[int, int]
    shapes: tuple[Shape, ...]

    def ground_truth(self) -> GroundTruth:
        """The boxes from bottom to top; class ids index `CLASSES`."""
        return GroundTruth(
            np.array([shape.box_xyxy for shape in self.shapes], np.float64).reshape(-1, 4),
            np.array([shape.class_id for shape in self.shapes], np.int64),
            np.zeros(len(self.shapes), np.bool_),
        )


def lay_out(seed: int, index: int, size_hw: tuple[int, int] | None = None) -> SceneLayout:
    """Choose the size of image `index` of a seed, and number, classes and positions of its shapes.

    size_hw  None: chosen at random, sides of 192 to 384 pixels, aspect from 5:8 to 8:5
    """
    image_seed = derive_seed(seed, index, "shapes", VERSION)
    rng = np.random.default_rng(image_seed)
    own_size = _image_size(rng)
    size_hw = size_hw or own_size
    count = 0 if rng.random() < _EMPTY_FRACTION else 1 + int(MAX_SHAPES * rng.random() ** 1.3)
    area = _OccupiedArea(size_hw)
    for _ in range(count):
        _add_shape(area, rng, density=count / MAX_SHAPES)
    return SceneLayout(image_seed, size_hw, tuple(area.shapes))


def clipped_extent(outline: Outline, size_hw: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the part of a shape in an image; None if the shape is outside.

    The extreme points of the intersection of polygon and image are corners of one inside the other, or crossings of sides.
    """
    height, width = size_hw
    points = np.concatenate(outline)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return left, top, right, bottom
    starts, ends = points, np.concatenate([np.roll(polygon, -1, axis=0) for polygon in outline])
    parts = [points, _crossings(starts, ends, 0, 0.0), _crossings(starts, ends, 0, width)]
    parts += [_crossings(starts, ends, 1, 0.0), _crossings(starts, ends, 1, height)]
    parts.append(_corners_within(starts, ends, size_hw))
    candidates = np.concatenate(parts)
    inside = candidates[((candidates >= 0) & (candidates <= (width, height))).all(axis=1)]
    if len(inside) == 0:
        return None
    (left, top), (right, bottom) = inside.min(axis=0).tolist(), inside.max(axis=0).tolist()
    return left, top, right, bottom


class _OccupiedArea:
    """The shapes so far, and the topmost shape of each cell of the image (0: none, k: shape k - 1)."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self.size_hw = size_hw
        self.shapes: list[Shape] = []
        self.cells = np.zeros((-(-size_hw[0] // _CELL), -(-size_hw[1] // _CELL)), np.uint8)
        self.visible: npt.NDArray[Any] = np.zeros(1)  # visible cells of each shape
        self.min_visible: npt.NDArray[Any] = np.zeros(1)  # minimum number of visible cells

    def add(self, class_id: int, outline: Outline) -> bool:
        """Add a shape on top. Returns False if too little of it or of another one would be visible."""
        box = clipped_extent(outline, self.size_hw)
        if box is None:
            return False
        mask, column, row = cells_of(outline)
        rows, columns = slice(max(0, row), row + mask.shape[0]), slice(max(0, column), column + mask.shape[1])
        covered = self.cells[rows, columns]
        within = mask[rows.start - row :, columns.start - column :][: covered.shape[0], : covered.shape[1]]
        lost = np.bincount(covered[within], minlength=len(self.visible))
        visible = np.append(self.visible - lost, np.count_nonzero(within))
        min_visible = np.append(self.min_visible, MIN_VISIBLE * np.count_nonzero(mask))
        if (visible[1:] < min_visible[1:]).any():
            return False
        self.shapes.append(Shape(class_id, outline, box))
        covered[within] = len(self.shapes)
        self.visible, self.min_visible = visible, min_visible
        return True


def _add_shape(area: _OccupiedArea, rng: np.random.Generator, *, density: float) -> None:
    """Add a random shape if there is space for it; a higher `density`, from 0 to 1, favors small ones."""
    class_id = int(rng.integers(len(CLASSES)))
    outline = transformed(OUTLINES[CLASSES[class_id]](rng), rng)
    height, width = area.size_hw
    skew = 0.9 + 0.5 * density
    for _ in range(_TRIES):
        size = min(height, width) * SMALLEST * (LARGEST / SMALLEST) ** (rng.random() ** skew)
        reach = 0.3 * size if rng.random() < 0.3 else 0.5 * size + 1  # three in ten may be cut by the border
        center = np.array([rng.uniform(reach, width - reach), rng.uniform(reach, height - reach)])
        if area.add(class_id, tuple(polygon * size + center for polygon in outline)):
            return


def transformed(outline: Outline, rng: np.random.Generator) -> Outline:
    """Stretch, mirror and rotate an outline at random, center it, and scale its longer side to 1."""
    stretch = MAX_STRETCH ** rng.uniform(-0.5, 0.5)
    angle = rng.uniform(0, 2 * np.pi)
    side = 1.0 if rng.random() < 0.5 else -1.0
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([(cos * stretch * side, -sin / stretch), (sin * stretch * side, cos / stretch)])
    polygons = [polygon @ matrix.T for polygon in outline]
    lowest, highest = polygons[0].min(axis=0), polygons[0].max(axis=0)  # the first polygon is the outer one
    return tuple((polygon - (lowest + highest) / 2) / (highest - lowest).max() for polygon in polygons)


def _image_size(rng: np.random.Generator) -> tuple[int, int]:
    long_side = int(rng.integers(_LONG_SIDE[0], _LONG_SIDE[1] + 1))
    aspect = rng.uniform(1.0, _MAX_ASPECT)
    short_side = max(_SHORTEST_SIDE, round(long_side / aspect))
    return (short_side, long_side) if rng.random() < 0.6 else (long_side, short_side)


def cells_of(outline: Outline) -> tuple[npt.NDArray[np.bool_], int, int]:
    """The cells [h, w] that a complete shape covers, with the column and row of the first cell."""
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
    """Points [n, 2] where sides cross an axis-parallel line."""
    crosses = (starts[:, axis] < line) != (ends[:, axis] < line)
    start, end = starts[crosses], ends[crosses]
    share = (line - start[:, axis]) / (end[:, axis] - start[:, axis])
    points: npt.NDArray[np.float64] = start + (end - start) * share[:, None]
    points[:, axis] = line
    return points


def _corners_within(
    starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], size_hw: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Corners [n, 2] of the image inside the shape."""
    height, width = size_hw
    within = []
    for x, y in ((0.0, 0.0), (width, 0.0), (0.0, height), (width, height)):
        to_the_right = _crossings(starts, ends, 1, y)[:, 0] > x
        if np.count_nonzero(to_the_right) % 2 == 1:
            within.append((float(x), float(y)))
    return np.array(within).reshape(-1, 2)
