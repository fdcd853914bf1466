"""The processor time that reading and augmenting an image takes, by augmentation, in one process."""

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace

from detcli.datasets.dataset import Dataset, open_dataset
from detcli.training.data.sampler import Sampler
from detcli.training.data.samples import TrainingSamples
from detcli.training.recipes.published_recipes import recipe_for
from detcli.training.recipes.recipe import Recipe
from detcli.training.recipes.recipe_bounds import AUGMENTATIONS

_RESIZE = "resize alone"
_PUBLISHED = "published recipe"
_OF_MANY_SIZES = ("random_crop",)


def print_loader_cost(arguments: argparse.Namespace) -> None:
    """Measure the loader without a network, in turn for several rounds, and print milliseconds for an image and ratios.

    arguments  `work`: folder with annotations.json and images; `size` of D-FINE, `side` of its input, `rounds`
    """
    data = open_dataset(str(arguments.work / "annotations.json"), images=arguments.work / "images")
    recipes = _recipes(arguments.size, arguments.side)
    rounds = [{name: _milliseconds(data, recipe) for name, recipe in recipes.items()} for _ in range(arguments.rounds)]
    print(
        f"loader of D-FINE {arguments.size} at {arguments.side} x {arguments.side}, {len(data)} images of 640 x 480, one thread, "
        f"{arguments.rounds} rounds, medians\n{'':18}{'CPU ms per image':>18}   ratio to {_PUBLISHED}, lowest and highest"
    )
    for name in recipes:
        ratios = sorted(each[name] / each[_PUBLISHED] for each in rounds)
        cost = statistics.median(each[name] for each in rounds)
        print(f"{name:18}{cost:18.2f}   {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def _recipes(size: str, side: int) -> Mapping[str, Recipe]:
    """The published recipe, without augmentation, and with each augmentation that it has not for all images."""
    published = replace(recipe_for(f"dfine-{size}"), image_size=(side, side))
    off = [name for name in AUGMENTATIONS if not getattr(published, name) and name not in _OF_MANY_SIZES]
    return {
        _PUBLISHED: published,
        _RESIZE: replace(published, **dict.fromkeys(AUGMENTATIONS, 0.0)),
        **{f"+ {name}": replace(published, **{name: 1.0}) for name in off},
    }


def _milliseconds(data: Dataset, recipe: Recipe) -> float:
    """Processor time for an image, over all images of the data."""
    samples = TrainingSamples(data, recipe, Sampler.of(recipe, len(data)))
    started = time.process_time()
    for index in range(len(data)):
        samples.make(index, 0, index, None)
    return (time.process_time() - started) / len(data) * 1000
