"""Combines an image with others of the dataset: copy-paste, then mixup."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from detcli.datasets.transforms.copy_paste import paste_objects
from detcli.datasets.transforms.crop_regions import CropRegion, render
from detcli.datasets.transforms.mixup import mix
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

_MIN_SIZE = 1.0  # pixels

# Another image of the dataset, augmented, for a number from 0 to 2**31 - 1.
AugmentedOthers = Callable[[int], tuple[Pixels, GroundTruth]]


@dataclass(frozen=True, slots=True)
class Combination:
    """Probability of each combination.

    copy_paste  of pasting objects of another image
    mixup       of the mean with another image
    stuff       class indices of uncountable classes, which are not pasted
    boxes_alone  masks are not trained: objects without one are pasted by their boxes
    """

    copy_paste: float = 0.0
    mixup: float = 0.0
    stuff: frozenset[int] = field(default_factory=frozenset)
    boxes_alone: bool = False

    def __post_init__(self) -> None:
        for name in ("copy_paste", "mixup"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be a probability from 0 to 1, not {getattr(self, name)}")

    def apply(
        self, pixels: Pixels, ground_truth: GroundTruth, others: AugmentedOthers, rng: np.random.Generator
    ) -> tuple[Pixels, GroundTruth]:
        """Combine an image with others at random.

        pixels  uint8 [H, W, 3] RGB, augmented and of the size of the output; not changed
        others  images of any size; of one with another size, a crop is resized
        rng     all randomness; nothing is drawn for a combination with the probability 0
        """
        image = pixels, ground_truth
        if self.copy_paste and rng.random() < self.copy_paste:
            other = _other(others, pixels.shape[:2], rng)
            image = paste_objects(image, other, stuff=self.stuff, rng=rng, boxes_alone=self.boxes_alone)
        if self.mixup and rng.random() < self.mixup:
            image = mix(image, _other(others, pixels.shape[:2], rng), rng=rng)
        return image


def _other(others: AugmentedOthers, size_hw: tuple[int, ...], rng: np.random.Generator) -> tuple[Pixels, GroundTruth]:
    return _filling(*others(int(rng.integers(1 << 31))), size_hw, rng)


def _filling(
    pixels: Pixels, ground_truth: GroundTruth, size_hw: tuple[int, ...], rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    """The largest crop with the aspect of this size, resized to it; a box is kept if its center is visible."""
    image_hw = pixels.shape[:2]
    if image_hw == size_hw:
        return pixels, ground_truth
    scale = min(image / side for image, side in zip(image_hw, size_hw, strict=True))
    height, width = (max(1, min(round(side * scale), image)) for side, image in zip(size_hw, image_hw, strict=True))
    top, left = int(rng.integers(image_hw[0] - height + 1)), int(rng.integers(image_hw[1] - width + 1))
    centers = (ground_truth.boxes_xyxy[:, :2] + ground_truth.boxes_xyxy[:, 2:]) / 2
    inside = (centers > [left, top]) & (centers < [left + width, top + height])
    part = CropRegion(left, top, left + width, top + height)
    return render(
        pixels, ground_truth[np.asarray(inside.all(axis=1))], part, (size_hw[0], size_hw[1]), min_size=_MIN_SIZE
    )
