"""Boxes and masks that were drawn on an image as its file holds it, turned with the image as EXIF says."""

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Boxes = npt.NDArray[np.float64]


def turn_boxes(boxes_xyxy: Boxes, orientation: int, stored_hw: tuple[int, int]) -> Boxes:
    """Boxes [N, 4] in pixels of the stored image -> the same in pixels of the upright one.

    orientation  EXIF's, 1 to 8: 2 mirrored, 3 upside down, 4 mirrored and upside down; 5 to 8 the same on their side
    """
    height, width = stored_hw
    left, top, right, bottom = boxes_xyxy.T
    from_right, from_left = width - right, width - left
    from_bottom, from_top = height - bottom, height - top
    turned = {
        1: (left, top, right, bottom),
        2: (from_right, top, from_left, bottom),
        3: (from_right, from_bottom, from_left, from_top),
        4: (left, from_bottom, right, from_top),
        5: (top, left, bottom, right),
        6: (from_bottom, left, from_top, right),
        7: (from_bottom, from_right, from_top, from_left),
        8: (top, from_right, bottom, from_left),
    }
    return np.stack(turned[orientation], axis=1)


def turn_mask(mask: Bools, orientation: int) -> Bools:
    """A mask [H, W] of the stored image -> the same of the upright one; orientation as for boxes."""
    turns = {
        1: mask,
        2: mask[:, ::-1],
        3: mask[::-1, ::-1],
        4: mask[::-1],
        5: mask.T,
        6: np.rot90(mask, -1),
        7: mask[::-1, ::-1].T,
        8: np.rot90(mask),
    }
    return turns[orientation]
