"""Small annotated pictures, made on the spot."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.values.frame import Pixels
from detcli.values.truths import Truths


def photo(size_hw: tuple[int, int] = (48, 64), seed: int = 0) -> Pixels:
    """Smooth colours, as photographs have them: uint8 [H, W, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size_hw[1], size_hw[0]), Image.Resampling.BICUBIC))


def truths_of(boxes: npt.ArrayLike, class_ids: npt.ArrayLike | None = None) -> Truths:
    """Truths of boxes xyxy, of classes 0, 1, 2 … where none are given."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    ids = np.arange(len(corners)) if class_ids is None else np.asarray(class_ids)
    return Truths(corners, ids.astype(np.int64), np.zeros(len(corners), np.bool_))


def with_filled_boxes(size_hw: tuple[int, int], boxes: npt.ArrayLike) -> tuple[Pixels, Truths]:
    """A black picture with a white box at each truth, in whole pixels."""
    truths = truths_of(boxes)
    pixels = np.zeros((*size_hw, 3), np.uint8)
    for left, top, right, bottom in truths.boxes_xyxy.astype(int):
        pixels[top:bottom, left:right] = 255
    return pixels, truths
