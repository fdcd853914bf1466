"""Mixup: the mean of two images with the objects of both.

The ratio is drawn as DEIM does (Huang et al. 2024). It is always near one half, so all objects count the same in the losses.
"""

import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

_RATIO = (0.45, 0.55)  # weight of the other image
OPAQUE = 256  # the weight of an image that hides the other one

Weights = npt.NDArray[np.uint16]


def mix(
    image: tuple[Pixels, GroundTruth], other: tuple[Pixels, GroundTruth], *, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    """Mix two images, uint8 [H, W, 3] RGB of the same size, with their ground truth."""
    pixels = blended(image[0], other[0], np.uint16(round(rng.uniform(*_RATIO) * OPAQUE)))
    return pixels, GroundTruth.joined([image[1], other[1]])


def blended(below: Pixels, above: Pixels, weight: Weights | np.uint16) -> Pixels:
    """The mean of two images of one size; weight: of the upper one, from 0 to 256, per pixel or for all."""
    mean = np.multiply(above, weight, dtype=np.uint16)
    mean += np.multiply(below, np.uint16(OPAQUE) - weight, dtype=np.uint16)
    mean += np.uint16(OPAQUE // 2)
    mean >>= np.uint16(8)
    return mean.astype(np.uint8)
