"""The order of the images, which depends only on the seed and the epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detcli.errors import UsageError
from detcli.structures.seeding import derive_seed
from detcli.training.data.image_balance import ImageBalance
from detcli.training.recipes.recipe import Recipe


class ImageOrder(Protocol):
    """Which images the batches of an epoch have."""

    @property
    def steps(self) -> int:
        """Steps of an epoch."""

    @property
    def micro_batches(self) -> int:
        """Number of micro-batches of a step."""

    def order(self, epoch: int) -> list[int]:
        """The image index at each position of an epoch."""

    def positions(self, step: int, micro_batch: int) -> range:
        """The positions of an epoch that a micro-batch of a step has."""

    def other(self, number: int) -> int:
        """The index of an image to combine with another one, for a random number from 0 to 2**31 - 1."""

    def replacements(self, index: int) -> Iterator[int]:
        """The indices of images that may replace one that cannot be read, the first of them first."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """The positions of an epoch, and how processes share them.

    images         number of images of the data, at least one
    batch          positions of a step, over all processes and micro-batches
    per_epoch      images of an epoch; if they are fewer than a batch, they are repeated until it is full
    micro_batches  number of micro-batches that a step is split into
    rank size      of this process among all
    seed           of the run
    balance        how often each image is drawn; None: all equally often
    """

    images: int
    batch: int
    per_epoch: int
    micro_batches: int
    rank: int
    size: int
    seed: int
    balance: ImageBalance | None = None

    @classmethod
    def of(
        cls, recipe: Recipe, images: int, *, balance: ImageBalance | None = None, rank: int = 0, size: int = 1
    ) -> "Sampler":
        """The sampler of a recipe. Raises UsageError if a batch cannot be divided among the processes.

        balance  as `image_balance` gives it for the recipe
        """
        if recipe.batch % (recipe.accumulate * size):
            raise UsageError(
                f"`batch_size` {recipe.batch} cannot be divided among {size} processes"
                + (f" in {recipe.accumulate} micro-batches each" if recipe.accumulate > 1 else "")
            )
        per_epoch = recipe.images_per_epoch or (images if balance is None else balance.images)
        return cls(images, recipe.batch, per_epoch, recipe.accumulate, rank, size, recipe.seed, balance)

    @property
    def steps(self) -> int:
        """Steps of an epoch; images after the last full batch are left out."""
        return max(1, self.per_epoch // self.batch)

    @property
    def distinct(self) -> int:
        """Different images in an epoch; the expected number, if they are not drawn equally often."""
        if self.balance is not None:
            return self.balance.distinct(self.steps * self.batch)
        return min(self.images, self.steps * self.batch)

    def order(self, epoch: int) -> list[int]:
        """The image index at each position of an epoch: one permutation of all images after the other, or as balanced."""
        rng = np.random.default_rng(derive_seed(self.seed, epoch, "order"))
        positions = self.steps * self.batch
        if self.balance is not None:
            return self.balance.draw(positions, rng).tolist()  # type: ignore[no-any-return]
        rounds = -(-positions // self.images)
        return np.concatenate([rng.permutation(self.images) for _ in range(rounds)])[:positions].tolist()  # type: ignore[no-any-return]

    def positions(self, step: int, micro_batch: int) -> range:
        """The positions of an epoch that this process fills in one micro-batch of a step."""
        width = self.batch // self.micro_batches
        own = width // self.size
        start = step * self.batch + micro_batch * width + self.rank * own
        return range(start, start + own)

    def other(self, number: int) -> int:
        """The index of an image to combine with another one, for a random number from 0 to 2**31 - 1."""
        return number % self.images if self.balance is None else self.balance.pick(number)

    def replacements(self, index: int) -> Iterator[int]:
        """The next images; those with boxes for one with boxes, if images without boxes are limited."""
        balance = self.balance
        for offset in range(1, self.images):
            other = (index + offset) % self.images
            if balance is None or balance.may_replace(index, other):
                yield other
