"""Rotates boxes and masks of a stored image by its EXIF orientation."""

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Boxes = npt.NDArray[np.float64]


def rotate_boxes(boxes_xyxy: Boxes, orientation: int, stored_hw: tuple[int, int]) -> Boxes:
    """Convert boxes [N, 4] from pixels of the stored image to pixels of the upright image.

    orientation  of EXIF, 1 to 8: 2 mirrored, 3 rotated by 180 degrees, 4 both; 5 to 8 the same after a rotation by 90 degrees
    """
    height, width = stored_hw
    left, top, right, bottom = boxes_xyxy.T
    from_right, from_left = width - right, width - left
    from_bottom, from_top = height - bottom, height - top
    rotated = {
        1: (left, top, right, bottom),
        2: (from_right, top, from_left, bottom),
        3: (from_right, from_bottom, from_left, from_top),
        4: (left, from_bottom, right, from_top),
        5: (top, left, bottom, right),
        6: (from_bottom, left, from_top, right),
        7: (from_bottom, from_right, from_top, from_left),
        8: (top, from_right, bottom, from_left),
    }
    return np.stack(rotated[orientation], axis=1)


def rotate_mask(mask: Bools, orientation: int) -> Bools:
    """Convert a mask [H, W] of the stored image to one of the upright image; orientation as for boxes."""
    rotated = {
        1: mask,
        2: mask[:, ::-1],
        3: mask[::-1, ::-1],
        4: mask[::-1],
        5: mask.T,
        6: np.rot90(mask, -1),
        7: mask[::-1, ::-1].T,
        8: np.rot90(mask),
    }
    return rotated[orientation]
