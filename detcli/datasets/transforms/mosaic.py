"""Four images in one: a cross at random, and in each quarter a part of an image.

After YOLOv4 (Bochkovskiy et al. 2020), with parts cut to fill their quarters so that nothing is left blank.
"""

from collections.abc import Sequence

import numpy as np

from detcli.datasets.transforms.crop_regions import Bools, CropRegion, render
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

_CROSS = (0.3, 0.7)  # of height and width
_PART_SIDES = (0.5, 1.0)  # of the largest part that has the quarter's aspect


def mosaic(
    four: Sequence[tuple[Pixels, GroundTruth]], *, size_hw: tuple[int, int], rng: np.random.Generator, min_size: float
) -> tuple[Pixels, GroundTruth]:
    """Put four images into one of a size; a ground truth stays where its center is still to be seen.

    four      images, uint8 [H, W, 3] RGB of any sizes, with their ground truth; clockwise is not promised
    min_size  pixels; boxes with a shorter side are dropped

    Raises ValueError for ground truth with masks, which nobody has put together so yet.
    """
    if any(ground_truth.masks is not None for _, ground_truth in four):
        raise ValueError("a mosaic has no masks")
    height, width = size_hw
    cross_y, cross_x = (min(max(1, int(side * rng.uniform(*_CROSS))), max(side - 1, 1)) for side in size_hw)
    columns, rows = ((0, cross_x), (cross_x, width)), ((0, cross_y), (cross_y, height))
    answer = np.zeros((height, width, 3), np.uint8)
    parts: list[GroundTruth] = []
    quarters = [(left, top, right, bottom) for top, bottom in rows for left, right in columns]
    for (pixels, ground_truth), (left, top, right, bottom) in zip(four, quarters, strict=True):
        part = _draw_part(pixels.shape[:2], (bottom - top, right - left), rng)
        held = ground_truth[_centers_in(ground_truth, part)]
        patch, kept = render(pixels, held, part, (bottom - top, right - left), min_size=min_size)
        answer[top:bottom, left:right] = patch
        parts.append(GroundTruth(kept.boxes_xyxy + [left, top] * 2, kept.class_ids, kept.crowd))
    joined = GroundTruth(
        np.concatenate([part.boxes_xyxy for part in parts]),
        np.concatenate([part.class_ids for part in parts]),
        np.concatenate([part.crowd for part in parts]),
    )
    return answer, joined


def _draw_part(image_hw: tuple[int, ...], quarter_hw: tuple[int, int], rng: np.random.Generator) -> CropRegion:
    """A part of an image with the aspect of a quarter."""
    scale = min(whole / side for whole, side in zip(image_hw, quarter_hw, strict=True)) * rng.uniform(*_PART_SIDES)
    height, width = (max(1, int(side * scale)) for side in quarter_hw)
    top = int((image_hw[0] - height) * rng.random())
    left = int((image_hw[1] - width) * rng.random())
    return CropRegion(left, top, left + width, top + height)


def _centers_in(ground_truth: GroundTruth, part: CropRegion) -> Bools:
    centers = (ground_truth.boxes_xyxy[:, :2] + ground_truth.boxes_xyxy[:, 2:]) / 2
    inside = (centers > [part.left, part.top]) & (centers < [part.right, part.bottom])
    return np.asarray(inside.all(axis=1))
