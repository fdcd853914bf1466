"""How often an epoch has each image: rare classes more often, images without boxes up to a limit.

Source of the repeat factors: LVIS (Gupta et al. 2019), appendix on repeat factor sampling.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from detcli.datasets.dataset import Dataset
from detcli.errors import DataError
from detcli.training.recipes.recipe import Recipe

_Indices = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ImageBalance:
    """How often the images of a dataset are drawn.

    class_factors       float64 [K]  repeat factor of each class, at least 1
    factors             float64 [P]  repeat factor of each image, the largest of its classes; 1 for an image without boxes
    is_empty            bool [P]     images without boxes
    max_empty_fraction  largest fraction of an epoch's images that may be without boxes; at least one image has boxes
    """

    class_factors: _Numbers
    factors: _Numbers
    is_empty: npt.NDArray[np.bool_]
    max_empty_fraction: float = 1.0
    _ends: _Numbers = field(init=False, repr=False)  # of the images' shares of an epoch, one after the other

    def __post_init__(self) -> None:
        _, empty = self._expected()
        without = empty / self.is_empty.sum() if empty else 0.0
        object.__setattr__(self, "_ends", np.cumsum(np.where(self.is_empty, without, self.factors)))

    @property
    def images(self) -> int:
        """Images of an epoch: the expected number, rounded, so that it is the same in each epoch."""
        full, empty = self._expected()
        return max(1, round(full + empty))

    @property
    def empty_fraction(self) -> float:
        """The fraction of an epoch's images that is without boxes."""
        full, empty = self._expected()
        return empty / (full + empty)

    def draw(self, count: int, rng: np.random.Generator) -> _Indices:
        """Indices of images for the positions of an epoch, int64 [count], in random order.

        With n positions and factors r, image i is drawn n * r_i / sum(r) times, rounded at random up or down so that this is
        the expected number; the same among images without boxes, if these are limited.
        """
        if self.max_empty_fraction == 1:
            return rng.permutation(_rounded(np.arange(len(self.factors)), self.factors, count, rng))
        parts = self._parts(count)
        return rng.permutation(np.concatenate([_rounded(own, self.factors[own], n, rng) for own, n in parts]))

    def pick(self, number: int) -> int:
        """The index of an image for a random number from 0 to 2**31 - 1: each as likely as it is at a position of an epoch."""
        return int(np.searchsorted(self._ends, number / 2**31 * self._ends[-1], side="right"))

    def may_replace(self, index: int, other: int) -> bool:
        """Whether another image in place of one adds none without boxes, if these are limited."""
        return self.max_empty_fraction == 1 or bool(self.is_empty[index] or not self.is_empty[other])

    def distinct(self, count: int) -> int:
        """Different images among so many positions, as expected."""
        whole = [(np.arange(len(self.factors)), count)]
        parts = whole if self.max_empty_fraction == 1 else self._parts(count)
        chances = [np.minimum(1, n * self.factors[own] / self.factors[own].sum()).sum() for own, n in parts if n]
        return max(1, round(float(sum(chances))))

    def _parts(self, count: int) -> list[tuple[_Indices, int]]:
        """Images with and without boxes, and how many positions each have."""
        empty = min(int(self.max_empty_fraction * count), round(self.empty_fraction * count))
        return [(np.flatnonzero(~self.is_empty), count - empty), (np.flatnonzero(self.is_empty), empty)]

    def _expected(self) -> tuple[float, float]:
        """Images with and without boxes in an epoch."""
        full, empty = float(self.factors[~self.is_empty].sum()), float(self.is_empty.sum())
        if self.max_empty_fraction < 1:
            empty = min(empty, full * self.max_empty_fraction / (1 - self.max_empty_fraction))
        return full, empty


def image_balance(recipe: Recipe, data: Dataset) -> ImageBalance | None:
    """How often a recipe draws the images of a dataset; None: all equally often.

    Raises DataError if images without boxes are limited and no image has a box.
    """
    if not recipe.repeat_threshold and recipe.max_empty_fraction == 1:
        return None
    classes = [np.unique(data.box_classes(index)) for index in range(len(data))]
    is_empty = np.array([not len(own) for own in classes], np.bool_)
    if recipe.max_empty_fraction < 1 and is_empty.all():
        raise DataError(
            f"max_empty_fraction is {recipe.max_empty_fraction:g}, and no image of '{data.report.name}' has a box"
        )
    of_class = class_factors(classes, len(data.labels), recipe.repeat_threshold)
    factors = np.array([of_class[own].max(initial=1) for own in classes], np.float64)
    return ImageBalance(of_class, factors, is_empty, recipe.max_empty_fraction)


def class_factors(classes: Sequence[_Indices], count: int, threshold: float) -> _Numbers:
    """The repeat factor of each class, float64 [count]: max(1, sqrt(threshold / f)) for a class in a fraction f of images.

    classes  the classes in each image, each once
    """
    images_of = np.bincount(np.concatenate([np.zeros(0, np.int64), *classes]), minlength=count)
    fractions = images_of / max(1, len(classes))
    factors: _Numbers = np.sqrt(np.maximum(1, threshold / np.where(images_of, fractions, 1)))
    return factors


def _rounded(indices: _Indices, weights: _Numbers, count: int, rng: np.random.Generator) -> _Indices:
    """Indices, each drawn count * weight / sum(weights) times, rounded up or down at random: int64 [count], unordered.

    Systematic sampling: the weights of the indices, in random order, are put on a line, on which equally spaced points are
    placed with a random start. So their number is exact, and so is the expected number of each index.
    """
    if not count:
        return indices[:0]
    order = rng.permutation(len(indices))
    ends = np.cumsum(weights[order])
    points = (np.arange(count) + rng.random()) * (ends[-1] / count)
    drawn: _Indices = indices[order[np.minimum(np.searchsorted(ends, points, side="right"), len(order) - 1)]]
    return drawn
