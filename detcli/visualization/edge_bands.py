"""Bands along the edges of a box that show how sure each edge is."""

from typing import Final

import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color

_OPACITY: Final = 0.35


def draw_edge_bands(
    canvas: Pixels, box: npt.NDArray[np.float64], std: npt.NDArray[np.float64], band_color: Color
) -> None:
    """Blend the area between the box that is one standard deviation larger and the one that is smaller, in place.

    canvas  uint8 [H, W, 3]
    box     [4] left, top, right, bottom in pixels
    std     [4] standard deviation of each edge in pixels
    """
    outward = np.array([-1.0, -1.0, 1.0, 1.0]) * std
    limits = np.array([canvas.shape[1], canvas.shape[0]] * 2)
    left, top, right, bottom = np.rint(np.clip(box + outward, 0, limits)).astype(int).tolist()
    inner_left, inner_top, inner_right, inner_bottom = np.rint(np.clip(box - outward, 0, limits)).astype(int).tolist()
    area = canvas[top:bottom, left:right]
    mixed = area + _OPACITY * (np.array(band_color, np.float64) - area)
    rows, columns = np.arange(top, bottom)[:, None], np.arange(left, right)
    inside = (rows >= inner_top) & (rows < inner_bottom) & (columns >= inner_left) & (columns < inner_right)
    area[~inside] = np.rint(mixed[~inside]).astype(np.uint8)
