"""What a recipe asks for is what samples get, in both image modes; the seed determines each to the byte."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detcli.datasets.transforms.augmentation import Augmentation, augment
from detcli.datasets.transforms.keep_aspect import KeepAspectTransform, augment_many_sizes
from detcli.structures.seeding import derive_seed
from detcli.training.data.samples import TrainingSample, TrainingSamples
from detcli.training.recipes.recipe import Recipe
from tests.helpers import detr_training_jobs, training_jobs
from tests.helpers.training_jobs import Rectangles

DATA = Rectangles(10, size_hw=(48, 72))
PIXELS_ONLY = ("hue", "random_gamma", "blur", "noise", "jpeg")
RECIPES = {"one size": training_jobs.quick_recipe, "many sizes": detr_training_jobs.quick_recipe}
modes = pytest.mark.parametrize("mode", RECIPES)


def recipe_of(mode: str, **changes: Any) -> Recipe:
    return RECIPES[mode](photometric=0.5, flip=0.5, **changes)


def samples(recipe: Recipe, *, data: Rectangles = DATA, epoch: int = 0, count: int = 8) -> list[TrainingSample]:
    made = TrainingSamples(data, recipe)
    return [made.make(position % len(data), epoch, position, None) for position in range(count)]


def content(sample: TrainingSample) -> tuple[Any, ...]:
    """All bytes of a sample."""
    bits = None if sample.bits is None else sample.bits.tobytes()
    ground_truth = sample.ground_truth
    return sample.pixels.tobytes(), ground_truth.boxes_xyxy.tobytes(), ground_truth.class_ids.tobytes(), bits


@modes
def test_fields_that_are_off_change_no_byte(mode: str) -> None:
    """Each sample equals that of the published augmentation alone, called with the sample's own generator."""
    recipe = recipe_of(mode)
    for position, sample in enumerate(samples(recipe)):
        rng = np.random.default_rng(derive_seed(recipe.seed, 0, position, "augmentation"))
        pixels, ground_truth = DATA.read(position).pixels, DATA.ground_truth(position)  # type: ignore[union-attr]
        if recipe.shortest_edges:
            sizes = (
                recipe.shortest_edges,
                recipe.longest_edge,
                recipe.random_crop,
                recipe.crop_edges,
                recipe.crop_sides,
            )
            settings = KeepAspectTransform(*sizes, flip=0.5, photometric=0.5)
            output, kept = augment_many_sizes(pixels, ground_truth, settings, rng=rng)
        else:
            output, kept = augment(pixels, ground_truth, Augmentation(), size_hw=(64, 64), rng=rng)
        assert np.array_equal(sample.pixels, output)
        assert np.array_equal(sample.ground_truth.boxes_xyxy, kept.boxes_xyxy)


@modes
@pytest.mark.parametrize("name", PIXELS_ONLY)
def test_pixel_changes_leave_boxes_alone(mode: str, name: str) -> None:
    plain, changed = samples(recipe_of(mode)), samples(recipe_of(mode, **{name: 1.0}))
    assert [one.pixels.shape for one in changed] == [one.pixels.shape for one in plain]
    assert [content(one)[1:] for one in changed] == [content(one)[1:] for one in plain]
    differ = [not np.array_equal(a.pixels, b.pixels) for a, b in zip(plain, changed, strict=True)]
    assert sum(differ) >= 6  # an exponent near 1 changes nothing


@modes
@pytest.mark.parametrize("name", PIXELS_ONLY)
def test_the_last_epochs_have_none_of_it(mode: str, name: str) -> None:
    plain = recipe_of(mode, epochs=9, stop_augmentation_epoch=5)
    changed = replace(plain, **{name: 1.0})
    assert [content(one) for one in samples(changed, epoch=5)] == [content(one) for one in samples(plain, epoch=5)]
    assert [content(one) for one in samples(changed, epoch=4)] != [content(one) for one in samples(plain, epoch=4)]


@modes
def test_samples_follow_from_seed_epoch_and_position(mode: str) -> None:
    everything = dict.fromkeys(PIXELS_ONLY, 0.5)
    recipe = recipe_of(mode, **everything)
    first, again = (list(map(content, samples(recipe))) for _ in range(2))
    assert first == again
    others = samples(replace(recipe, seed=1)), samples(recipe, epoch=1)
    assert all(a != content(b) for other in others for a, b in zip(first, other, strict=True))
