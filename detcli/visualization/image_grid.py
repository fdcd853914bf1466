"""Puts images side by side into one."""

import math
from collections.abc import Sequence

import numpy as np

from detcli.structures.frame import Pixels

GAP = 4  # pixels between cells
_GAP_VALUE, _EMPTY_VALUE = 255, 160  # white between cells, gray where an image is smaller than its cell


def image_grid(images: Sequence[Pixels]) -> Pixels:
    """The images in rows, nearly as many columns as rows; uint8 [H, W, 3]. Cells have the size of the largest image.

    images  uint8 [h, w, 3], at least one
    """
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    grid = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), _GAP_VALUE, np.uint8)
    for number, image in enumerate(images):
        top, left = (number // columns) * (height + GAP), (number % columns) * (width + GAP)
        grid[top : top + height, left : left + width] = _EMPTY_VALUE
        grid[top : top + image.shape[0], left : left + image.shape[1]] = image
    return grid
