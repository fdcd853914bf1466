"""Mosaic augmentation: four image crops around a random center.

After YOLOv4 (Bochkovskiy et al. 2020); each crop fills its quadrant, so that nothing is left blank.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detcli.datasets.instance_masks import change_masks
from detcli.datasets.transforms.crop_regions import Bools, Boxes, CropRegion, on_canvas
from detcli.datasets.transforms.rotation import Rotation, draw_degrees, render_region
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

_CENTER = (0.3, 0.7)  # range as a fraction of height and width
_PART_SIDES = (0.5, 1.0)  # of the largest crop with the aspect of the quadrant


def mosaic(
    four: Sequence[tuple[Pixels, GroundTruth]],
    *,
    size_hw: tuple[int, int],
    rng: np.random.Generator,
    min_size: float,
    rotation: tuple[float, float] = (0.0, 0.0),
) -> tuple[Pixels, GroundTruth]:
    """Combine four images into one; a box is kept if its center is visible.

    four      images, uint8 [H, W, 3] RGB of any sizes, with their ground truth; their order is not specified
    min_size  pixels; boxes with a shorter side are dropped
    rotation  probability of a rotation of each image about its center, and the largest angle in degrees
    """
    height, width = size_hw
    center_y, center_x = (min(max(1, int(side * rng.uniform(*_CENTER))), max(side - 1, 1)) for side in size_hw)
    columns, rows = ((0, center_x), (center_x, width)), ((0, center_y), (center_y, height))
    output = np.zeros((height, width, 3), np.uint8)
    parts: list[GroundTruth] = []
    quadrants = [(left, top, right, bottom) for top, bottom in rows for left, right in columns]
    for (pixels, ground_truth), (left, top, right, bottom) in zip(four, quadrants, strict=True):
        turned = Rotation(draw_degrees(*rotation, rng), (pixels.shape[0], pixels.shape[1]))
        part = _draw_part(pixels.shape[:2], (bottom - top, right - left), rng)
        visible = ground_truth[_centers_in(turned.boxes(ground_truth.boxes_xyxy), part)]
        patch, kept = render_region(pixels, visible, turned, part, (bottom - top, right - left), min_size=min_size)
        output[top:bottom, left:right] = patch
        parts.append(_moved(kept, CropRegion(left, top, right, bottom), size_hw))
    return output, GroundTruth.joined(parts)


def _moved(ground_truth: GroundTruth, quadrant: CropRegion, size_hw: tuple[int, int]) -> GroundTruth:
    """Ground truth of a quadrant in pixels of the mosaic."""
    masks = change_masks(ground_truth.masks, lambda mask: on_canvas(mask, quadrant, size_hw))
    return replace(ground_truth, boxes_xyxy=ground_truth.boxes_xyxy + [quadrant.left, quadrant.top] * 2, masks=masks)


def _draw_part(image_hw: tuple[int, ...], quadrant_hw: tuple[int, int], rng: np.random.Generator) -> CropRegion:
    """A random crop of an image with the aspect of a quadrant."""
    scale = min(length / side for length, side in zip(image_hw, quadrant_hw, strict=True)) * rng.uniform(*_PART_SIDES)
    height, width = (max(1, int(side * scale)) for side in quadrant_hw)
    top = int((image_hw[0] - height) * rng.random())
    left = int((image_hw[1] - width) * rng.random())
    return CropRegion(left, top, left + width, top + height)


def _centers_in(boxes: Boxes, part: CropRegion) -> Bools:
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = (centers > [part.left, part.top]) & (centers < [part.right, part.bottom])
    return np.asarray(inside.all(axis=1))
