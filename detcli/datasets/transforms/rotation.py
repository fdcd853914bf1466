"""Rotates an image with its ground truth, and crops and resizes it in the same resampling.

Boxes follow the corners of the annotated boxes, or the masks where there are any.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.datasets.transforms.crop_regions import (
    Bools,
    Boxes,
    CropRegion,
    clip,
    large_enough,
    on_canvas,
    render,
)
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle

Corners = npt.NDArray[np.float64]  # [N, 4, 2] x and y of the corners of each box, one after the other
Rectangle = tuple[float, float, float, float]

_MARGIN = 2  # pixels around the part of an image that is resampled


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation of an image about its center, in pixels of an image that keeps its size.

    degrees  counter-clockwise
    size_hw  of the image
    """

    degrees: float
    size_hw: tuple[int, int]

    def boxes(self, boxes_xyxy: Boxes) -> Boxes:
        """The boxes around the rotated corners of boxes [N, 4]."""
        if not self.degrees:
            return boxes_xyxy
        corners = self.corners(boxes_xyxy)
        return np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=1)

    def corners(self, boxes_xyxy: Boxes) -> Corners:
        """The rotated corners of boxes [N, 4]."""
        corners = boxes_xyxy[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
        return np.asarray((corners - self._center) @ self._matrix.T + self._center)

    def source(self, points: Corners) -> Corners:
        """The points of the image, x and y, that are at these points of the rotated image."""
        return np.asarray((points - self._center) @ self._matrix + self._center)

    @property
    def _center(self) -> npt.NDArray[np.float64]:
        return np.array([self.size_hw[1], self.size_hw[0]]) / 2

    @property
    def _matrix(self) -> npt.NDArray[np.float64]:
        cos, sin = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        return np.array([[cos, sin], [-sin, cos]])  # y points down


def draw_degrees(probability: float, largest: float, rng: np.random.Generator) -> float:
    """0, or with a probability an angle up to the largest in both directions; without one no random numbers are drawn."""
    return float(rng.uniform(-largest, largest)) if probability and rng.random() < probability else 0.0


def render_region(
    pixels: Pixels,
    ground_truth: GroundTruth,
    rotation: Rotation,
    region: CropRegion,
    size_hw: tuple[int, int],
    *,
    min_size: float,
    color: Callable[[Pixels], Pixels] | None = None,
) -> tuple[Pixels, GroundTruth]:
    """Crop a region of a rotated image as `render_rotated`, or of an image without a rotation as `render`."""
    if not rotation.degrees:
        return render(pixels, ground_truth, region, size_hw, min_size=min_size, color=color)
    return render_rotated(pixels, ground_truth, rotation, region.edges, size_hw, min_size=min_size, color=color)


def render_rotated(
    pixels: Pixels,
    ground_truth: GroundTruth,
    rotation: Rotation,
    region: Rectangle,
    size_hw: tuple[int, int],
    *,
    min_size: float,
    color: Callable[[Pixels], Pixels] | None = None,
) -> tuple[Pixels, GroundTruth]:
    """Rotate an image, crop a region, resize it, and return it with its ground truth.

    pixels        uint8 [H, W, 3] RGB
    ground_truth  in pixels of the image before the rotation
    region        left, top, right and bottom in pixels of the rotated image; beyond the image it is black
    min_size      boxes whose visible part has a shorter side, in pixels of the image or of the output, are dropped
    color         changes the colors of the part inside the image

    A box is the one around the visible part of its rotated rectangle; with masks, around its visible mask. The image is
    resampled once, bilinear; if it is reduced, whole pixels are averaged before.
    """
    view = _RotatedView(rotation, region, size_hw)
    seen = _visible(rotation.corners(ground_truth.boxes_xyxy), region)
    boxes = clip((seen - [*view.start, *view.start]) / [*view.scale, *view.scale], CropRegion(0, 0, *size_hw[::-1]))
    masks = ground_truth.masks
    if masks is not None:
        masks = tuple(view.mask(mask) for mask in masks)
        boxes = _around_masks(boxes, before=ground_truth.masks or (), after=masks)
    changed = GroundTruth(boxes, ground_truth.class_ids, ground_truth.crowd, masks)
    return view.pixels(pixels, color), changed[large_enough(seen, min_size) & large_enough(boxes, min_size)]


@dataclass(frozen=True, slots=True)
class _RotatedView:
    """A region of a rotated image in pixels of the output."""

    rotation: Rotation
    region: Rectangle
    size_hw: tuple[int, int]

    @property
    def start(self) -> npt.NDArray[np.float64]:
        """The point of the rotated image at the corner of the output."""
        return np.array(self.region[:2])

    @property
    def scale(self) -> npt.NDArray[np.float64]:
        """Width and height of a pixel of the output in pixels of the rotated image."""
        return np.asarray(np.subtract(self.region[2:], self.region[:2]) / [self.size_hw[1], self.size_hw[0]])

    def source(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The points of the image at points of the output [..., 2]."""
        return self.rotation.source(np.asarray(points) * self.scale + self.start)

    def steps(self) -> npt.NDArray[np.float64]:
        """Matrix [2, 2]: by how much x and y in the image change with those of the output, in its columns."""
        origin, right, down = self.source([[0, 0], [1, 0], [0, 1]])
        return np.stack((right - origin, down - origin), axis=1)

    def pixels(self, pixels: Pixels, color: Callable[[Pixels], Pixels] | None) -> Pixels:
        """The output, uint8 [h, w, 3]; colors are changed before or after the resampling, where there are fewer pixels."""
        height, width = self.size_hw
        corners = self.source([[0, 0], [width, 0], [width, height], [0, height]])
        low, high = np.floor(corners.min(axis=0)) - _MARGIN, np.ceil(corners.max(axis=0)) + _MARGIN
        part = CropRegion(int(low[0]), int(low[1]), int(high[0]), int(high[1])).inside(self.rotation.size_hw)
        steps = self.steps()
        factors = np.maximum(1, np.hypot(*steps.T).astype(int))
        image = Image.fromarray(pixels[part.top : part.bottom, part.left : part.right])
        if factors.max() > 1:
            image = image.reduce((int(factors[0]), int(factors[1])))
        few_before = image.width * image.height < width * height
        if color is not None and few_before:
            image = Image.fromarray(color(np.asarray(image)))
        steps = steps / factors[:, None]
        shift = (self.source([0, 0]) - [part.left, part.top]) / factors
        matrix = (steps[0, 0], steps[0, 1], shift[0], steps[1, 0], steps[1, 1], shift[1])
        drawn = image.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        output = np.asarray(drawn)
        if color is None or few_before:
            return output
        whole = CropRegion(0, 0, width, height)
        return np.asarray(color(output) * self._inside(whole)[1][..., None])

    def mask(self, mask: Rle) -> Rle:
        """The mask of the output for one of the image, by the nearest pixel."""
        height, width = self.size_hw
        around = self.rotation.boxes(np.array([mask.box_xyxy]))[0].reshape(2, 2)
        left, top, right, bottom = ((around - self.start) / self.scale).ravel()
        if left >= width or top >= height or right <= 0 or bottom <= 0 or not mask.area:
            return Rle.of(np.zeros(self.size_hw, np.bool_))
        part = CropRegion(int(left) - 1, int(top) - 1, int(right) + 2, int(bottom) + 2).inside(self.size_hw)
        (rows, columns), inside = self._inside(part)
        return Rle.of(on_canvas(mask.decode()[rows, columns] & inside, part, self.size_hw))

    def _inside(self, part: CropRegion) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], Bools]:
        """Row and column of the image for each pixel of a part of the output, and whether it is inside the image."""
        x = np.arange(part.left, part.right) + 0.5
        y = np.arange(part.top, part.bottom)[:, None] + 0.5
        steps, (shift_x, shift_y) = self.steps(), self.source([0, 0])
        columns = np.floor(steps[0, 0] * x + steps[0, 1] * y + shift_x).astype(np.int64)
        rows = np.floor(steps[1, 0] * x + steps[1, 1] * y + shift_y).astype(np.int64)
        height, width = self.rotation.size_hw
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        return (rows.clip(0, height - 1), columns.clip(0, width - 1)), inside


def _visible(corners: Corners, region: Rectangle) -> Boxes:
    """The boxes [N, 4] around the parts of rectangles, given by their corners, that are inside a region; zeros for none."""
    low, high = np.array(region[:2]), np.array(region[2:])
    ends = np.roll(corners, -1, axis=1)
    edges = ends - corners  # [N, 4, 2]
    # Each edge meets each of the four lines of the region at a fraction of its length.
    limits = np.stack((low, high))  # [2, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        fractions = (limits[:, None, None] - corners) / edges  # [2, N, 4, 2]
    fractions = np.where((fractions > 0) & (fractions < 1), fractions, 0.0)
    met = corners[None, ..., None, :] + fractions[..., None] * edges[None, ..., None, :]  # [2, N, 4, 2, 2]
    points = np.concatenate((corners, np.moveaxis(met, 1, 0).reshape(len(corners), 16, 2)), axis=1)
    inner = np.array([(x, y) for x in limits[:, 0] for y in limits[:, 1]])  # the corners of the region
    to_corner = inner[None, :, None] - corners[:, None]  # [N, 4 of the region, 4 edges, 2]
    sides = edges[:, None, :, 0] * to_corner[..., 1] - edges[:, None, :, 1] * to_corner[..., 0]
    covered = (sides >= 0).all(axis=2) | (sides <= 0).all(axis=2)  # [N, 4]
    tolerance = 1e-9 * (1 + np.abs(limits).max())
    valid = ((points >= low - tolerance) & (points <= high + tolerance)).all(axis=2)
    valid = np.concatenate((valid, covered), axis=1)[..., None]
    points = np.concatenate((points, np.broadcast_to(inner, (len(corners), 4, 2))), axis=1)
    lowest = np.where(valid, points, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(valid, points, -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.concatenate((lowest, highest), axis=1)
    return np.where(valid.any(axis=1), boxes, 0.0).clip([*low, *low], [*high, *high])


def _around_masks(boxes: Boxes, *, before: tuple[Rle, ...], after: tuple[Rle, ...]) -> Boxes:
    """The boxes of visible masks; an object without a mask keeps its box."""
    changed = boxes.copy()
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        if old.area:
            changed[row] = new.box_xyxy
    return changed
