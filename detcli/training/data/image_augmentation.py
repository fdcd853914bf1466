"""The augmentation of images that a recipe asks for: of images of one size, or of many sizes."""

from dataclasses import replace

import numpy as np

from detcli.datasets.transforms.augmentation import Augmentation, Others, augment
from detcli.datasets.transforms.combination import Combination
from detcli.datasets.transforms.keep_aspect import KeepAspectTransform, augment_many_sizes
from detcli.datasets.transforms.pixel_changes import PixelChanges
from detcli.datasets.transforms.stuff_segments import unite_stuff
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.resize import InputBorder
from detcli.training.recipes.recipe import Recipe


class ImageAugmentation:
    """Augments images as a recipe says; thread-safe.

    stuff   class indices of uncountable classes
    border  of images of one size that keep their aspect ratio
    masks   whether masks are trained; else they only help to augment boxes, and the output has none
    """

    def __init__(
        self,
        recipe: Recipe,
        stuff: frozenset[int],
        *,
        border: InputBorder | None = None,
        masks: bool = True,
    ) -> None:
        self._size_hw, self._border = recipe.image_size, border
        self._one_size = _one_size(recipe)
        self._many_sizes = _many_sizes(recipe)
        self._combination = Combination(recipe.copy_paste, recipe.mixup, stuff, boxes_alone=not masks)
        self._pixel_changes = _pixel_changes(recipe)
        self._trains_masks = masks
        self._united_stuff = stuff if recipe.mosaic or recipe.mixup else frozenset()

    @property
    def many_sizes(self) -> bool:
        """Whether images keep their aspect ratio and have different sizes; else all have one."""
        return self._many_sizes is not None

    def apply(
        self, pixels: Pixels, ground_truth: GroundTruth, rng: np.random.Generator, others: Others, *, strong: bool
    ) -> tuple[Pixels, GroundTruth]:
        """Augment an image and its ground truth.

        rng     all randomness: the same generator gives the same output
        others  returns another image of the dataset and its ground truth for a number from 0 to 2**31 - 1, always the same
                for the same number
        strong  with more than flips and quarter turns

        The pixels may be read-only.
        """
        if not strong:
            return self._arranged(pixels, self._trained(ground_truth), rng, others, strong=False)
        output, kept = self._arranged(pixels, ground_truth, rng, others, strong=True)
        output, kept = self._combination.apply(
            output, kept, lambda number: self._arranged(*others(number), rng, others, strong=True), rng
        )
        return self._pixel_changes.apply(output, rng), unite_stuff(self._trained(kept), self._united_stuff)

    def _trained(self, ground_truth: GroundTruth) -> GroundTruth:
        return ground_truth if self._trains_masks else replace(ground_truth, masks=None)

    def _arranged(
        self, pixels: Pixels, ground_truth: GroundTruth, rng: np.random.Generator, others: Others, *, strong: bool
    ) -> tuple[Pixels, GroundTruth]:
        if self._many_sizes is not None:
            many_sizes = self._many_sizes if strong else self._many_sizes.without_strong_augmentation()
            return augment_many_sizes(pixels, ground_truth, many_sizes, rng=rng)
        one_size = self._one_size if strong else self._one_size.without_strong_augmentation()
        return augment(
            pixels,
            ground_truth,
            one_size,
            size_hw=self._size_hw,
            rng=rng,
            others=others,
            border=self._border,
        )


def _one_size(recipe: Recipe) -> Augmentation:
    """The augmentation of images of one size."""
    return Augmentation(
        photometric=recipe.photometric,
        zoom_out=recipe.zoom_out,
        iou_crop=recipe.iou_crop,
        flip=recipe.flip,
        mosaic=recipe.mosaic,
        vertical_flip=recipe.vertical_flip,
        quarter_turn=recipe.quarter_turn,
        rotation=recipe.rotation,
        max_rotation=recipe.max_rotation,
    )


def _many_sizes(recipe: Recipe) -> KeepAspectTransform | None:
    """The augmentation of images of many sizes; None if they have one."""
    if not recipe.shortest_edges:
        return None
    return KeepAspectTransform(
        shortest_edges=recipe.shortest_edges,
        longest_edge=recipe.longest_edge,
        crop=recipe.random_crop,
        crop_edges=recipe.crop_edges,
        crop_sides=recipe.crop_sides,
        flip=recipe.flip,
        photometric=recipe.photometric,
        vertical_flip=recipe.vertical_flip,
        quarter_turn=recipe.quarter_turn,
        rotation=recipe.rotation,
        max_rotation=recipe.max_rotation,
    )


def _pixel_changes(recipe: Recipe) -> PixelChanges:
    return PixelChanges(
        hue=recipe.hue,
        hue_shift=recipe.hue_shift,
        gamma=recipe.random_gamma,
        gamma_range=recipe.gamma_range,
        blur=recipe.blur,
        blur_sigma=recipe.blur_sigma,
        noise=recipe.noise,
        noise_sigma=recipe.noise_sigma,
        jpeg=recipe.jpeg,
        jpeg_quality=recipe.jpeg_quality,
    )
