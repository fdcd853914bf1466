"""Images read, changed and stacked ahead of the network, in threads; in order, and never more than a few batches."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from detcli.datasets.dataset import Dataset
from detcli.datasets.transforms.multiscale import draw_size, resize_batch, scales
from detcli.inference.preprocess import Preprocessor
from detcli.structures.frame import Frame
from detcli.structures.network_io import Targets
from detcli.structures.seeding import derive_seed
from detcli.training.data.sampler import Sampler
from detcli.training.data.samples import LoadFailure, TrainingSample, TrainingSamples
from detcli.training.recipes.recipe import Recipe

_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What passes through the network at once.

    pixels    float [B, 3, H, W], as the network takes them
    mask      bool [B, H, W], True where a pixel is image; None where all are
    targets   the ground truth of each
    files     their names
    failures  images that should have been there
    """

    pixels: Tensor
    mask: Tensor | None
    targets: list[Targets]
    files: tuple[str, ...]
    failures: tuple[LoadFailure, ...]


@dataclass(frozen=True, slots=True)
class _PendingBatch:
    """A part whose images are on their way; into its buffer, uint8 [B, H, W, 3], where they are of one size."""

    epoch: int
    step: int
    places: range
    buffer: Tensor | None
    examples: list[Future[TrainingSample]]


class DataLoader:
    """Parts of steps in the order of the run.

    Images are stretched to one size, and go straight into the memory that becomes a part; or they have sizes of their
    own, and those of a part are padded to a common one.

    preprocessor  which turns bytes into what the network takes; where the recipe names no `shortest_edges`, its size is
                  that of all images
    divisor       sides of what the network takes are multiples of it
    device        parts are handed out on it
    """

    def __init__(
        self,
        data: Dataset,
        sampler: Sampler,
        recipe: Recipe,
        *,
        preprocessor: Preprocessor,
        divisor: int,
        device: torch.device,
    ) -> None:
        self._sampler, self._recipe = sampler, recipe
        self._preprocessor, self._device = preprocessor, device
        self._size_hw = recipe.image_size
        self._scales = scales(self._size_hw, recipe.multi_scale_repeat or None, divisor)
        self._examples = TrainingSamples(data, recipe)

    @contextmanager
    def running(self, epoch: int, step: int, workers: int) -> Iterator[Iterator[MicroBatch]]:
        """Parts from that step of that epoch to the end of the run; reading ends with the block."""
        pool = ThreadPoolExecutor(workers, thread_name_prefix="image")
        try:
            yield self._parts(pool, epoch, step)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _parts(self, pool: ThreadPoolExecutor, epoch: int, step: int) -> Iterator[MicroBatch]:
        waiting: deque[_PendingBatch] = deque()
        for coming in self._all(pool, epoch, step):
            waiting.append(coming)
            if len(waiting) > _BATCHES_AHEAD:
                yield self._finished(waiting.popleft())
        while waiting:
            yield self._finished(waiting.popleft())

    def _all(self, pool: ThreadPoolExecutor, first_epoch: int, first_step: int) -> Iterator[_PendingBatch]:
        for epoch in range(first_epoch, self._recipe.epochs):
            order = self._sampler.order(epoch)
            for step in range(first_step if epoch == first_epoch else 0, self._sampler.steps):
                for part in range(self._sampler.parts):
                    places = self._sampler.places(step, part)
                    buffer = self._buffer(len(places))
                    rows = [None] * len(places) if buffer is None else buffer.numpy()
                    examples = [
                        pool.submit(self._examples.make, order[place], epoch, place, row)
                        for place, row in zip(places, rows, strict=True)
                    ]
                    yield _PendingBatch(epoch, step, places, buffer, examples)

    def _buffer(self, count: int) -> Tensor | None:
        if self._examples.many_sizes:
            return None
        return torch.empty((count, *self._size_hw, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda")

    def _finished(self, coming: _PendingBatch) -> MicroBatch:
        examples = [example.result() for example in coming.examples]
        if coming.buffer is None:
            frames = [Frame(one.origin, one.size_hw, None, one.pixels) for one in examples]
            batch = self._preprocessor.batch(frames)
            pixels, mask = batch.pixels, batch.mask
        else:
            pixels, mask = self._preprocessor.pixels(coming.buffer.to(self._device, non_blocking=True)), None
            if self._examples.augments(coming.epoch):
                seed = derive_seed(self._recipe.seed, coming.epoch, coming.step, "size")
                pixels = resize_batch(pixels, draw_size(self._scales, seed))
        seeds = [derive_seed(self._recipe.seed, coming.epoch, place, "noise") for place in coming.places]
        return MicroBatch(
            pixels,
            mask,
            self._targets(examples, seeds, (pixels.shape[2], pixels.shape[3])),
            tuple(example.origin.file for example in examples),
            tuple(failure for example in examples for failure in example.failures),
        )

    def _targets(self, examples: list[TrainingSample], seeds: list[int], size_hw: tuple[int, int]) -> list[Targets]:
        """The ground truth of each, moved to the device in two pieces, and a third an image for its masks."""
        counts = [len(one.ground_truth) for one in examples]
        boxes = torch.from_numpy(np.concatenate([one.boxes_cxcywh() for one in examples])).to(self._device)
        class_ids = torch.from_numpy(np.concatenate([one.ground_truth.class_ids for one in examples])).to(self._device)
        masks = [self._masks(one, size_hw) for one in examples]
        each = zip(torch.split(class_ids, counts), torch.split(boxes, counts), seeds, masks, strict=True)
        return [Targets(*one) for one in each]

    def _masks(self, example: TrainingSample, size_hw: tuple[int, int]) -> Tensor | None:
        """An example's masks; of a batch that was resized as a whole, resized with it."""
        masks = example.masks(self._device)
        if masks is None or not len(masks) or self._examples.many_sizes:
            return masks
        return resize_batch(masks[None].byte(), size_hw)[0].bool()
