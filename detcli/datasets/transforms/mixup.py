"""Mixup: the mean of two images with the objects of both.

The ratio is drawn as DEIM does (Huang et al. 2024). It is always near one half, so all objects count the same in the losses.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import union

_RATIO = (0.45, 0.55)  # weight of the other image
OPAQUE = 256  # the weight of an image that hides the other one

Weights = npt.NDArray[np.uint16]


def mix(
    image: tuple[Pixels, GroundTruth],
    other: tuple[Pixels, GroundTruth],
    *,
    stuff: frozenset[int],
    rng: np.random.Generator,
) -> tuple[Pixels, GroundTruth]:
    """Mix two images.

    image, other  uint8 [H, W, 3] RGB of the same size, with their ground truth
    stuff         class indices of which an image has one segment: two segments with masks become one
    """
    pixels = blended(image[0], other[0], np.uint16(round(rng.uniform(*_RATIO) * OPAQUE)))
    return pixels, _united(GroundTruth.joined([image[1], other[1]]), stuff)


def blended(below: Pixels, above: Pixels, weight: Weights | np.uint16) -> Pixels:
    """The mean of two images of one size; weight: of the upper one, from 0 to 256, per pixel or for all."""
    mean = np.multiply(above, weight, dtype=np.uint16)
    mean += np.multiply(below, np.uint16(OPAQUE) - weight, dtype=np.uint16)
    mean += np.uint16(OPAQUE // 2)
    mean >>= np.uint16(8)
    return mean.astype(np.uint8)


def _united(ground_truth: GroundTruth, stuff: frozenset[int]) -> GroundTruth:
    """The ground truth with one segment of each class of stuff."""
    if ground_truth.masks is None:
        return ground_truth
    boxes, masks = ground_truth.boxes_xyxy.copy(), list(ground_truth.masks)
    kept = np.ones(len(ground_truth), np.bool_)
    for class_id in stuff & set(ground_truth.class_ids.tolist()):
        first, *more = np.flatnonzero((ground_truth.class_ids == class_id) & ~ground_truth.crowd).tolist() or [0]
        for row in more:
            kept[row] = False
            masks[first] = union([masks[first], masks[row]])
            boxes[first, :2] = np.minimum(boxes[first, :2], boxes[row, :2])
            boxes[first, 2:] = np.maximum(boxes[first, 2:], boxes[row, 2:])
    return replace(ground_truth, boxes_xyxy=boxes, masks=tuple(masks))[kept]
