"""Crops a rectangle of an image and its ground truth, and resizes it.

A region may extend beyond the image and is black there. So zoom-out, crop and both together are one operation, without a
canvas of full size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.datasets.instance_masks import change_masks, stretch_mask
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

Boxes = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Array = TypeVar("Array", Pixels, Bools)


@dataclass(frozen=True, slots=True)
class CropRegion:
    """Left, top, right and bottom in pixels of an image; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels of the image."""
        return self.bottom - self.top, self.right - self.left

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom

    def inside(self, size_hw: tuple[int, int]) -> "CropRegion":
        """The part inside an image; at least one pixel."""
        height, width = size_hw
        left, top = min(max(self.left, 0), width - 1), min(max(self.top, 0), height - 1)
        return CropRegion(left, top, max(min(self.right, width), left + 1), max(min(self.bottom, height), top + 1))


def render(
    pixels: Pixels,
    ground_truth: GroundTruth,
    region: CropRegion,
    size_hw: tuple[int, int],
    *,
    min_size: float,
    color: Callable[[Pixels], Pixels] | None = None,
) -> tuple[Pixels, GroundTruth]:
    """Crop a region, resize it, and return it with its ground truth.

    pixels    uint8 [H, W, 3] RGB
    min_size  boxes with a shorter side, in pixels of the image or of the output, are dropped
    color     changes the colors of the part inside the image; outside stays black

    The resize is Pillow's bilinear with antialiasing, as in inference: the region of the complete image gives identical
    pixels.
    """
    visible = region.inside((pixels.shape[0], pixels.shape[1]))
    target = _target_region(visible, region, size_hw)
    patch = _resize(pixels[visible.top : visible.bottom, visible.left : visible.right], target.size_hw, color)
    kept = ground_truth[large_enough(clip(ground_truth.boxes_xyxy, visible), min_size)]
    moved = _move(clip(kept.boxes_xyxy, visible), visible, target)
    fits = large_enough(moved, min_size)
    left = kept[fits]
    masks = change_masks(left.masks, lambda mask: _mask_on_canvas(mask, visible, target, size_hw))
    return on_canvas(patch, target, size_hw), GroundTruth(moved[fits], left.class_ids, left.crowd, masks)


def _target_region(visible: CropRegion, region: CropRegion, size_hw: tuple[int, int]) -> CropRegion:
    """Region of the output, in integer pixels, that the visible part of the image fills."""
    height, width = (output / source for output, source in zip(size_hw, region.size_hw, strict=True))
    return CropRegion(
        round((visible.left - region.left) * width),
        round((visible.top - region.top) * height),
        round((visible.right - region.left) * width),
        round((visible.bottom - region.top) * height),
    ).inside(size_hw)


def _resize(pixels: Pixels, size_hw: tuple[int, int], color: Callable[[Pixels], Pixels] | None) -> Pixels:
    """Resize, and change colors before or after it, where there are fewer pixels."""
    few_before = pixels.shape[0] * pixels.shape[1] < size_hw[0] * size_hw[1]
    if color is not None and few_before:
        pixels = color(np.ascontiguousarray(pixels))
    resized = Image.fromarray(pixels).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    output = np.asarray(resized)
    return output if color is None or few_before else color(output)


def on_canvas(patch: Array, target: CropRegion, size_hw: tuple[int, int], value: int = 0) -> Array:
    """A patch [h, w, …] in a region of an array [H, W, …] that has one value elsewhere; the patch itself if it fills it."""
    if target.size_hw == size_hw:
        return patch
    output = np.full((*size_hw, *patch.shape[2:]), value, patch.dtype)
    output[target.top : target.bottom, target.left : target.right] = patch
    return cast("Array", output)


def _mask_on_canvas(mask: Bools, visible: CropRegion, target: CropRegion, size_hw: tuple[int, int]) -> Bools:
    """The mask of the output for a mask of the image."""
    patch = stretch_mask(mask[visible.top : visible.bottom, visible.left : visible.right], target.size_hw)
    return on_canvas(patch, target, size_hw)


def clip(boxes: Boxes, to: CropRegion) -> Boxes:
    """Boxes without what is outside a region."""
    return np.clip(boxes, [to.left, to.top, to.left, to.top], [to.right, to.bottom, to.right, to.bottom])


def _move(boxes: Boxes, visible: CropRegion, target: CropRegion) -> Boxes:
    """Convert boxes from pixels of the image to pixels of the output."""
    (visible_h, visible_w), (target_h, target_w) = visible.size_hw, target.size_hw
    scale = np.array([target_w / visible_w, target_h / visible_h] * 2)
    moved = (boxes - [visible.left, visible.top] * 2) * scale + [target.left, target.top] * 2
    return clip(moved, target)  # rounding errors


def large_enough(boxes: Boxes, min_size: float) -> Bools:
    """Whether boxes have an area and no side shorter than `min_size`."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((sides >= min_size).all(axis=1) & (sides > 0).all(axis=1))
