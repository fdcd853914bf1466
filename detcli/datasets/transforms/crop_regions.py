"""Rectangles of a picture: what is in one, resized, and the truths in its pixels.

A region may reach beyond the picture: there it is black. So a picture on a larger canvas, a crop of that, and a crop of
a picture are one thing, and no canvas is ever filled in its full size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.datasets.instance_masks import change_masks, stretch_mask
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import Truths

Boxes = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Region:
    """Left, top, right and bottom in pixels of a picture, right and bottom beyond the last one."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels of the picture."""
        return self.bottom - self.top, self.right - self.left

    def inside(self, size_hw: tuple[int, int]) -> "Region":
        """The part that lies on a picture; a pixel of it at the least."""
        height, width = size_hw
        left, top = min(max(self.left, 0), width - 1), min(max(self.top, 0), height - 1)
        return Region(left, top, max(min(self.right, width), left + 1), max(min(self.bottom, height), top + 1))


def render(
    pixels: Pixels,
    truths: Truths,
    region: Region,
    size_hw: tuple[int, int],
    *,
    min_size: float,
    colour: Callable[[Pixels], Pixels] | None = None,
) -> tuple[Pixels, Truths]:
    """What a region holds, stretched to a size, and the truths there.

    pixels    uint8 [H, W, 3] RGB
    min_size  boxes narrower or lower than this, in pixels of the picture or of the answer, are dropped
    colour    changes the picture's colours, of the region's part on the picture alone: what is beyond stays black

    The resize is Pillow's bilinear with antialiasing, as inference has it: a region that is the whole picture gives the
    same to the last bit.
    """
    seen = region.inside((pixels.shape[0], pixels.shape[1]))
    place = _place(seen, region, size_hw)
    patch = _stretch(pixels[seen.top : seen.bottom, seen.left : seen.right], place.size_hw, colour)
    kept = truths[_large_enough(_clip(truths.boxes_xyxy, seen), min_size)]
    moved = _move(_clip(kept.boxes_xyxy, seen), seen, place)
    fits = _large_enough(moved, min_size)
    left = kept[fits]
    masks = change_masks(left.masks, lambda mask: _mask_on_black(mask, seen, place, size_hw))
    return _on_black(patch, place, size_hw), Truths(moved[fits], left.class_ids, left.crowd, masks)


def flip(pixels: Pixels, truths: Truths) -> tuple[Pixels, Truths]:
    """Left and right exchanged."""
    boxes = truths.boxes_xyxy.copy()
    boxes[:, [0, 2]] = pixels.shape[1] - truths.boxes_xyxy[:, [2, 0]]
    masks = change_masks(truths.masks, lambda mask: mask[:, ::-1])
    return np.asarray(cv2.flip(pixels, 1), np.uint8), Truths(boxes, truths.class_ids, truths.crowd, masks)


def _place(seen: Region, region: Region, size_hw: tuple[int, int]) -> Region:
    """Where the seen part comes to lie in the answer, in whole pixels."""
    height, width = (answer / whole for answer, whole in zip(size_hw, region.size_hw, strict=True))
    return Region(
        round((seen.left - region.left) * width),
        round((seen.top - region.top) * height),
        round((seen.right - region.left) * width),
        round((seen.bottom - region.top) * height),
    ).inside(size_hw)


def _stretch(pixels: Pixels, size_hw: tuple[int, int], colour: Callable[[Pixels], Pixels] | None) -> Pixels:
    """Resize, and colour on the side of it where there are fewer pixels."""
    few_before = pixels.shape[0] * pixels.shape[1] < size_hw[0] * size_hw[1]
    if colour is not None and few_before:
        pixels = colour(np.ascontiguousarray(pixels))
    resized = Image.fromarray(pixels).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    answer = np.asarray(resized)
    return answer if colour is None or few_before else colour(answer)


def _on_black(patch: Pixels, place: Region, size_hw: tuple[int, int]) -> Pixels:
    if place.size_hw == size_hw:
        return patch
    answer = np.zeros((*size_hw, 3), np.uint8)
    answer[place.top : place.bottom, place.left : place.right] = patch
    return answer


def _mask_on_black(mask: Bools, seen: Region, place: Region, size_hw: tuple[int, int]) -> Bools:
    """What becomes of a mask where the seen part of its picture comes to lie at a place of the answer."""
    patch = stretch_mask(mask[seen.top : seen.bottom, seen.left : seen.right], place.size_hw)
    answer = np.zeros(size_hw, np.bool_)
    answer[place.top : place.bottom, place.left : place.right] = patch
    return answer


def _clip(boxes: Boxes, to: Region) -> Boxes:
    return np.clip(boxes, [to.left, to.top, to.left, to.top], [to.right, to.bottom, to.right, to.bottom])


def _move(boxes: Boxes, seen: Region, place: Region) -> Boxes:
    """From pixels of the picture to pixels of the answer."""
    (seen_h, seen_w), (place_h, place_w) = seen.size_hw, place.size_hw
    scale = np.array([place_w / seen_w, place_h / seen_h] * 2)
    moved = (boxes - [seen.left, seen.top] * 2) * scale + [place.left, place.top] * 2
    return _clip(moved, place)  # rounding may leave it by a hair


def _large_enough(boxes: Boxes, min_size: float) -> Bools:
    """Whether boxes have sides of this length at the least, and some area."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((sides >= min_size).all(axis=1) & (sides > 0).all(axis=1))
