"""Which image is learned from when: follows from the seed, and from nothing that happened before."""

from dataclasses import dataclass

import numpy as np

from detcli.errors import UsageError
from detcli.structures.seeding import derive_seed
from detcli.training.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Sampler:
    """The places of an epoch, and who fills them.

    images   in the data, at least one
    batch      places of a step, over all processes and parts
    per_epoch  images an epoch goes over; where there are fewer than a batch, it goes over them again until it is full
    parts      that a step is split into
    rank size  of this process among all
    seed       of the run
    """

    images: int
    batch: int
    per_epoch: int
    parts: int
    rank: int
    size: int
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, images: int, *, rank: int = 0, size: int = 1) -> "Sampler":
        """The sampler of a recipe. Raises UsageError where a batch does not divide among the processes."""
        if recipe.batch % (recipe.accumulate * size):
            raise UsageError(
                f"batch {recipe.batch} does not divide among {size} processes"
                + (f" in {recipe.accumulate} parts each" if recipe.accumulate > 1 else "")
            )
        per_epoch = recipe.images_per_epoch or images
        return cls(images, recipe.batch, per_epoch, recipe.accumulate, rank, size, recipe.seed)

    @property
    def steps(self) -> int:
        """Steps of an epoch; what is left over after the last full batch is left out this time."""
        return max(1, self.per_epoch // self.batch)

    @property
    def distinct(self) -> int:
        """Different images in an epoch."""
        return min(self.images, self.steps * self.batch)

    def order(self, epoch: int) -> list[int]:
        """The image at each place of an epoch: permutations of all, one after the other."""
        rng = np.random.default_rng(derive_seed(self.seed, epoch, "order"))
        places = self.steps * self.batch
        rounds = -(-places // self.images)
        return np.concatenate([rng.permutation(self.images) for _ in range(rounds)])[:places].tolist()  # type: ignore[no-any-return]

    def places(self, step: int, part: int) -> range:
        """The places of an epoch that this process fills in one part of a step."""
        width = self.batch // self.parts
        own = width // self.size
        start = step * self.batch + part * width + self.rank * own
        return range(start, start + own)
