"""Masks drawn on a copy of a picture: translucent, each with a thin edge and its name, to be read at any size of it.

Each mask is blended inside its own bounding box, so that time and memory grow with what it covers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from detcli.sinks.palette import Color
from detcli.values.frame import Pixels
from detcli.values.mask_runs import window
from detcli.values.masks import Rle

_OPACITY = 0.5  # of a mask: both its colour and what is below are seen


@dataclass(frozen=True, slots=True)
class Patch:
    """A mask cut to what it covers: rows and columns of the picture, and there uint8 [h, w], 1 where the mask is."""

    left: int
    top: int
    inside: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, mask: Rle, margin: int) -> "Patch":
        """The patch with some pixels around it, as far as the picture has them."""
        left, top, part = window(mask)
        height, width = part.shape
        if not part.size:
            return cls(0, 0, part.view(np.uint8))
        above, before = min(margin, top), min(margin, left)
        below = min(margin, mask.size_hw[0] - top - height)
        behind = min(margin, mask.size_hw[1] - left - width)
        inside = np.zeros((above + height + below, before + width + behind), np.uint8)
        inside[above : above + height, before : before + width] = part
        return cls(left - before, top - above, inside)


def paint(canvas: Pixels, patches: Sequence[Patch], colors: Sequence[Color], line: int) -> None:
    """Draw masks on the picture, the first on top; their edges, `line` pixels wide, lie inside them."""
    for patch, ink in reversed(list(zip(patches, colors, strict=True))):
        if not patch.inside.size:
            continue
        height, width = patch.inside.shape
        area = canvas[patch.top : patch.top + height, patch.left : patch.left + width]
        kernel = np.ones((2 * line + 1, 2 * line + 1), np.uint8)
        core = cv2.erode(patch.inside, kernel)  # beyond the picture counts as inside: no edge along its border
        cv2.copyTo(cv2.LUT(area, _blended(ink)), core, area)
        area[(patch.inside - core).view(np.bool_)] = ink


def _blended(ink: Color) -> npt.NDArray[np.uint8]:
    """What becomes of each value of each channel under a mask, uint8 [256, 1, 3]."""
    below = np.arange(256)[:, None, None]
    mixed: npt.NDArray[np.uint8] = np.round(below * (1 - _OPACITY) + np.array(ink) * _OPACITY).astype(np.uint8)
    return mixed
