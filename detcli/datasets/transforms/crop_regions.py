"""Rectangles of an image: what is in one, resized, and the ground truth in its pixels.

A region may reach beyond the image: there it is black. So an image on a larger canvas, a crop of that, and a crop of
an image are one thing, and no canvas is ever filled in its full size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.datasets.instance_masks import change_masks, stretch_mask
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

Boxes = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CropRegion:
    """Left, top, right and bottom in pixels of an image, right and bottom beyond the last one."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels of the image."""
        return self.bottom - self.top, self.right - self.left

    def inside(self, size_hw: tuple[int, int]) -> "CropRegion":
        """The part that lies on an image; a pixel of it at the least."""
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
    """What a region holds, stretched to a size, and the ground truth there.

    pixels    uint8 [H, W, 3] RGB
    min_size  boxes narrower or lower than this, in pixels of the image or of the answer, are dropped
    color    changes the image's colors, of the region's part on the image alone: what is beyond stays black

    The resize is Pillow's bilinear with antialiasing, as inference has it: a region that is the whole image gives the
    same to the last bit.
    """
    seen = region.inside((pixels.shape[0], pixels.shape[1]))
    place = _place(seen, region, size_hw)
    patch = _stretch(pixels[seen.top : seen.bottom, seen.left : seen.right], place.size_hw, color)
    kept = ground_truth[_large_enough(_clip(ground_truth.boxes_xyxy, seen), min_size)]
    moved = _move(_clip(kept.boxes_xyxy, seen), seen, place)
    fits = _large_enough(moved, min_size)
    left = kept[fits]
    masks = change_masks(left.masks, lambda mask: _mask_on_black(mask, seen, place, size_hw))
    return _on_black(patch, place, size_hw), GroundTruth(moved[fits], left.class_ids, left.crowd, masks)


def flip(pixels: Pixels, ground_truth: GroundTruth) -> tuple[Pixels, GroundTruth]:
    """Left and right exchanged."""
    boxes = ground_truth.boxes_xyxy.copy()
    boxes[:, [0, 2]] = pixels.shape[1] - ground_truth.boxes_xyxy[:, [2, 0]]
    masks = change_masks(ground_truth.masks, lambda mask: mask[:, ::-1])
    return np.asarray(cv2.flip(pixels, 1), np.uint8), GroundTruth(
        boxes, ground_truth.class_ids, ground_truth.crowd, masks
    )


def _place(seen: CropRegion, region: CropRegion, size_hw: tuple[int, int]) -> CropRegion:
    """Where the seen part comes to lie in the answer, in whole pixels."""
    height, width = (answer / whole for answer, whole in zip(size_hw, region.size_hw, strict=True))
    return CropRegion(
        round((seen.left - region.left) * width),
        round((seen.top - region.top) * height),
        round((seen.right - region.left) * width),
        round((seen.bottom - region.top) * height),
    ).inside(size_hw)


def _stretch(pixels: Pixels, size_hw: tuple[int, int], color: Callable[[Pixels], Pixels] | None) -> Pixels:
    """Resize, and color on the side of it where there are fewer pixels."""
    few_before = pixels.shape[0] * pixels.shape[1] < size_hw[0] * size_hw[1]
    if color is not None and few_before:
        pixels = color(np.ascontiguousarray(pixels))
    resized = Image.fromarray(pixels).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    answer = np.asarray(resized)
    return answer if color is None or few_before else color(answer)


def _on_black(patch: Pixels, place: CropRegion, size_hw: tuple[int, int]) -> Pixels:
    if place.size_hw == size_hw:
        return patch
    answer = np.zeros((*size_hw, 3), np.uint8)
    answer[place.top : place.bottom, place.left : place.right] = patch
    return answer


def _mask_on_black(mask: Bools, seen: CropRegion, place: CropRegion, size_hw: tuple[int, int]) -> Bools:
    """What becomes of a mask where the seen part of its image comes to lie at a place of the answer."""
    patch = stretch_mask(mask[seen.top : seen.bottom, seen.left : seen.right], place.size_hw)
    answer = np.zeros(size_hw, np.bool_)
    answer[place.top : place.bottom, place.left : place.right] = patch
    return answer


def _clip(boxes: Boxes, to: CropRegion) -> Boxes:
    return np.clip(boxes, [to.left, to.top, to.left, to.top], [to.right, to.bottom, to.right, to.bottom])


def _move(boxes: Boxes, seen: CropRegion, place: CropRegion) -> Boxes:
    """From pixels of the image to pixels of the answer."""
    (seen_h, seen_w), (place_h, place_w) = seen.size_hw, place.size_hw
    scale = np.array([place_w / seen_w, place_h / seen_h] * 2)
    moved = (boxes - [seen.left, seen.top] * 2) * scale + [place.left, place.top] * 2
    return _clip(moved, place)  # rounding may leave it by a hair


def _large_enough(boxes: Boxes, min_size: float) -> Bools:
    """Whether boxes have sides of this length at the least, and some area."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((sides >= min_size).all(axis=1) & (sides > 0).all(axis=1))
