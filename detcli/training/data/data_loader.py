"""Reads, augments and stacks images ahead of the network, in threads; in order, and at most a few batches."""

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
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.structures.frame import Frame
from detcli.structures.network_io import Targets
from detcli.structures.seeding import derive_seed
from detcli.training.data.sampler import ImageOrder
from detcli.training.data.samples import LoadFailure, TrainingSample, TrainingSamples
from detcli.training.recipes.recipe import Recipe

_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """The images of one pass through the network.

    pixels    float [B, 3, H, W], as the network takes them
    mask      bool [B, H, W], True where a pixel is image; None if all are
    targets   the ground truth of each
    files     their names
    failures  images that could not be read
    """

    pixels: Tensor
    mask: Tensor | None
    targets: list[Targets]
    files: tuple[str, ...]
    failures: tuple[LoadFailure, ...]


@dataclass(frozen=True, slots=True)
class _PendingBatch:
    """A micro-batch that is being read; into its buffer, uint8 [B, H, W, 3], if its images have one size."""

    epoch: int
    step: int
    positions: range
    buffer: Tensor | None
    samples: list[Future[TrainingSample]]


class DataLoader:
    """Micro-batches in the order of the run.

    Images either have one size and are written into the memory of the micro-batch, or they keep their own sizes and are
    padded to a common one.

    preprocessor  turns pixels into network inputs; without `shortest_edges` in the recipe, its size and border are those of
                  all images
    divisor       sides of network inputs are multiples of it
    device        device of the micro-batches
    masks         whether the masks of the data are targets; else they only help to augment boxes
    """

    def __init__(
        self,
        data: Dataset,
        sampler: ImageOrder,
        recipe: Recipe,
        *,
        preprocessor: Preprocessor,
        divisor: int,
        device: torch.device,
        masks: bool = True,
    ) -> None:
        self._sampler, self._recipe = sampler, recipe
        self._preprocessor, self._device = preprocessor, device
        self._size_hw = recipe.image_size
        self._scales = scales(self._size_hw, recipe.multi_scale_repeat or None, divisor)
        border = preprocessor.preprocessing.border
        self._samples = TrainingSamples(data, recipe, sampler, border=border, masks=masks)

    @contextmanager
    def running(self, epoch: int, step: int, workers: int) -> Iterator[Iterator[MicroBatch]]:
        """Micro-batches from a step of an epoch to the end of the run; reading ends with the block."""
        pool = ThreadPoolExecutor(workers, thread_name_prefix="image")
        try:
            yield self._micro_batches(pool, epoch, step)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _micro_batches(self, pool: ThreadPoolExecutor, epoch: int, step: int) -> Iterator[MicroBatch]:
        queue: deque[_PendingBatch] = deque()
        for pending in self._pending_batches(pool, epoch, step):
            queue.append(pending)
            if len(queue) > _BATCHES_AHEAD:
                yield self._finished(queue.popleft())
        while queue:
            yield self._finished(queue.popleft())

    def _pending_batches(self, pool: ThreadPoolExecutor, first_epoch: int, first_step: int) -> Iterator[_PendingBatch]:
        for epoch in range(first_epoch, self._recipe.epochs):
            order = self._sampler.order(epoch)
            for step in range(first_step if epoch == first_epoch else 0, self._sampler.steps):
                for micro_batch in range(self._sampler.micro_batches):
                    positions = self._sampler.positions(step, micro_batch)
                    buffer = self._buffer(len(positions))
                    rows = [None] * len(positions) if buffer is None else buffer.numpy()
                    samples = [
                        pool.submit(self._samples.make, order[position], epoch, position, row)
                        for position, row in zip(positions, rows, strict=True)
                    ]
                    yield _PendingBatch(epoch, step, positions, buffer, samples)

    def _buffer(self, count: int) -> Tensor | None:
        if self._samples.many_sizes:
            return None
        return torch.empty((count, *self._size_hw, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda")

    def _finished(self, pending: _PendingBatch) -> MicroBatch:
        samples = [sample.result() for sample in pending.samples]
        if pending.buffer is None:
            frames = [Frame(one.origin, one.size_hw, None, one.pixels) for one in samples]
            batch = self._preprocessor.batch(frames)
            pixels, mask = batch.pixels, batch.mask
        else:
            pixels, mask = self._preprocessor.pixels(pending.buffer.to(self._device, non_blocking=True)), None
            if self._samples.augments(pending.epoch):
                seed = derive_seed(self._recipe.seed, pending.epoch, pending.step, "size")
                pixels = resize_batch(pixels, draw_size(self._scales, seed))
        seeds = [derive_seed(self._recipe.seed, pending.epoch, position, "noise") for position in pending.positions]
        return MicroBatch(
            pixels,
            mask,
            self._targets(samples, seeds, (pixels.shape[2], pixels.shape[3])),
            tuple(sample.origin.file for sample in samples),
            tuple(failure for sample in samples for failure in sample.failures),
        )

    def _targets(self, samples: list[TrainingSample], seeds: list[int], size_hw: tuple[int, int]) -> list[Targets]:
        """The ground truth of each image on the device; boxes, class ids and masks are moved separately."""
        counts = [len(one.ground_truth) for one in samples]
        boxes = torch.from_numpy(np.concatenate([one.boxes_cxcywh() for one in samples])).to(self._device)
        class_ids = torch.from_numpy(np.concatenate([one.ground_truth.class_ids for one in samples])).to(self._device)
        masks = [self._masks(one, size_hw) for one in samples]
        each = zip(torch.split(class_ids, counts), torch.split(boxes, counts), seeds, masks, strict=True)
        return [Targets(*one) for one in each]

    def _masks(self, sample: TrainingSample, size_hw: tuple[int, int]) -> Tensor | None:
        """The masks of a sample, resized with its batch."""
        masks = sample.masks(self._device)
        if masks is None or not len(masks) or self._samples.many_sizes:
            return masks
        return resize_batch(masks[None].byte(), size_hw)[0].bool()
