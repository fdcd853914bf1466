"""Flips and quarter turns of an image with its ground truth: exact, without resampling."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from detcli.datasets.instance_masks import change_masks
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

Boxes = npt.NDArray[np.float64]
Item = TypeVar("Item", bound=np.generic)

_PIXEL = np.dtype((np.void, 3))  # a pixel as one item, which is faster to copy than its three values


@dataclass(frozen=True, slots=True)
class Orientation:
    """Quarter turns, then flips.

    quarter_turns    0 to 3, counter-clockwise
    horizontal_flip  left and right are swapped
    vertical_flip    top and bottom are swapped
    """

    quarter_turns: int = 0
    horizontal_flip: bool = False
    vertical_flip: bool = False

    def before(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the image that has this size afterwards."""
        return (size_hw[1], size_hw[0]) if self.quarter_turns % 2 else size_hw

    def apply(self, pixels: Pixels, ground_truth: GroundTruth) -> tuple[Pixels, GroundTruth]:
        """Turn and flip pixels uint8 [H, W, 3] and their ground truth; the input is not changed."""
        if self == Orientation():
            return pixels, ground_truth
        turned = np.ascontiguousarray(self._view(pixels.view(_PIXEL)[..., 0]))[..., None].view(np.uint8)
        boxes = self._boxes(ground_truth.boxes_xyxy, (pixels.shape[0], pixels.shape[1]))
        masks = change_masks(ground_truth.masks, self._view)
        return turned, GroundTruth(boxes, ground_truth.class_ids, ground_truth.crowd, masks)

    def _view(self, array: npt.NDArray[Item]) -> npt.NDArray[Item]:
        """An array [H, W], turned and flipped without a copy."""
        turned = np.rot90(array, self.quarter_turns)
        return turned[:: -1 if self.vertical_flip else 1, :: -1 if self.horizontal_flip else 1]

    def _boxes(self, boxes: Boxes, size_hw: tuple[int, int]) -> Boxes:
        height, width = size_hw
        for _ in range(self.quarter_turns):
            left, top, right, bottom = boxes.T
            boxes = np.stack((top, width - right, bottom, width - left), axis=1)
            height, width = width, height
        boxes = boxes.copy()
        if self.horizontal_flip:
            boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        if self.vertical_flip:
            boxes[:, [1, 3]] = height - boxes[:, [3, 1]]
        return boxes


def draw_quarter_turns(probability: float, rng: np.random.Generator) -> int:
    """0, or with a probability 1, 2 or 3; without a probability no random numbers are drawn."""
    return int(rng.integers(1, 4)) if probability and rng.random() < probability else 0
