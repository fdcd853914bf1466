"""Pictures read, changed and stacked ahead of the network, in threads; in order, and never more than a few batches."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from detcli.datasets.augment import Augmentation, augment
from detcli.datasets.dataset import Dataset
from detcli.datasets.multiscale import draw_size, resize_batch, scales
from detcli.errors import DataError
from detcli.inference.preprocess import Preprocessor
from detcli.training.recipe import Recipe
from detcli.training.sampling import Sampler
from detcli.values.frame import Frame, Pixels
from detcli.values.outputs import Targets
from detcli.values.seeds import derive_seed
from detcli.values.truths import Truths

_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture that could not be read, and why; another one took its place."""

    index: int
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """What passes through the network at once.

    pixels    float [B, 3, H, W], as the network takes them
    targets   what is true of each
    files     their names
    failures  pictures that should have been there
    """

    pixels: Tensor
    targets: list[Targets]
    files: tuple[str, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class _Example:
    truths: Truths
    file: str
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class _Coming:
    """A part whose pictures are on their way into its buffer, uint8 [B, H, W, 3]."""

    epoch: int
    step: int
    places: range
    buffer: Tensor
    examples: list[Future[_Example]]


class Feed:
    """Parts of steps in the order of the run.

    preprocessor  whose size pictures are resized to, and which turns bytes into what the network takes
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
        self._data, self._sampler, self._recipe = data, sampler, recipe
        self._preprocessor, self._device = preprocessor, device
        self._size_hw = preprocessor.preprocessing.size_hw
        self._scales = scales(self._size_hw, recipe.multi_scale_repeat or None, divisor)
        self._strong = Augmentation(recipe.photometric, recipe.zoom_out, recipe.iou_crop, recipe.flip, recipe.mosaic)

    @contextmanager
    def running(self, epoch: int, step: int, workers: int) -> Iterator[Iterator[Part]]:
        """Parts from that step of that epoch to the end of the run; reading ends with the block."""
        pool = ThreadPoolExecutor(workers, thread_name_prefix="picture")
        try:
            yield self._parts(pool, epoch, step)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _parts(self, pool: ThreadPoolExecutor, epoch: int, step: int) -> Iterator[Part]:
        waiting: deque[_Coming] = deque()
        for coming in self._all(pool, epoch, step):
            waiting.append(coming)
            if len(waiting) > _BATCHES_AHEAD:
                yield self._finished(waiting.popleft())
        while waiting:
            yield self._finished(waiting.popleft())

    def _all(self, pool: ThreadPoolExecutor, first_epoch: int, first_step: int) -> Iterator[_Coming]:
        for epoch in range(first_epoch, self._recipe.epochs):
            order = self._sampler.order(epoch)
            for step in range(first_step if epoch == first_epoch else 0, self._sampler.steps):
                for part in range(self._sampler.parts):
                    places = self._sampler.places(step, part)
                    buffer = torch.empty(
                        (len(places), *self._size_hw, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda"
                    )
                    rows = buffer.numpy()
                    examples = [
                        pool.submit(self._example, order[place], epoch, place, row)
                        for place, row in zip(places, rows, strict=True)
                    ]
                    yield _Coming(epoch, step, places, buffer, examples)

    def _example(self, index: int, epoch: int, place: int, row: Pixels) -> _Example:
        """Read and change one picture into its row."""
        frame, truths, failures = self._readable(index)
        rng = np.random.default_rng(derive_seed(self._recipe.seed, epoch, place, "augmentation"))
        settings = self._strong if self._augments(epoch) else self._strong.calm()
        pixels = _pixels(frame)
        row[...], changed = augment(pixels, truths, settings, size_hw=self._size_hw, rng=rng, others=self._other)
        return _Example(changed[~changed.crowd], frame.origin.file, tuple(failures))

    def _readable(self, index: int) -> tuple[Frame, Truths, list[Failure]]:
        """The picture, or the next one that can be read: the same whoever asks, so that processes agree."""
        failures: list[Failure] = []
        count = len(self._data)
        for offset in range(count):
            frame = self._data.read((index + offset) % count)
            if isinstance(frame, Frame):
                return frame, self._data.truths((index + offset) % count), failures
            failures.append(Failure((index + offset) % count, frame.origin.file, frame.message))
        raise DataError(
            f"none of the {count} pictures can be read; the first is '{failures[0].file}': {failures[0].reason}"
        )

    def _other(self, number: int) -> tuple[Pixels, Truths]:
        frame, truths, _ = self._readable(number % len(self._data))
        return _pixels(frame), truths

    def _augments(self, epoch: int) -> bool:
        return not 0 < self._recipe.stop_augmentation_epoch <= epoch

    def _finished(self, coming: _Coming) -> Part:
        examples = [example.result() for example in coming.examples]
        pixels = self._preprocessor.pixels(coming.buffer.to(self._device, non_blocking=True))
        if self._augments(coming.epoch):
            seed = derive_seed(self._recipe.seed, coming.epoch, coming.step, "size")
            pixels = resize_batch(pixels, draw_size(self._scales, seed))
        seeds = [derive_seed(self._recipe.seed, coming.epoch, place, "noise") for place in coming.places]
        return Part(
            pixels,
            self._targets([example.truths for example in examples], seeds),
            tuple(example.file for example in examples),
            tuple(failure for example in examples for failure in example.failures),
        )

    def _targets(self, truths: list[Truths], seeds: list[int]) -> list[Targets]:
        """What is true of each, moved to the device in two pieces."""
        height, width = self._size_hw
        xyxy = np.concatenate([one.boxes_xyxy for one in truths]) / [width, height, width, height]
        cxcywh = np.concatenate(((xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]), axis=1)
        counts = [len(one) for one in truths]
        boxes = torch.from_numpy(cxcywh.astype(np.float32)).to(self._device)
        class_ids = torch.from_numpy(np.concatenate([one.class_ids for one in truths])).to(self._device)
        each = zip(torch.split(class_ids, counts), torch.split(boxes, counts), seeds, strict=True)
        return [Targets(*one) for one in each]


def _pixels(frame: Frame) -> Pixels:
    if frame.pixels is None:
        raise ValueError(f"'{frame.origin.file}' came without pixels")
    return frame.pixels
