"""Pictures read, changed and stacked ahead of the network, in threads; in order, and never more than a few batches."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detcli.datasets.augment import Augmentation, augment
from detcli.datasets.dataset import Dataset
from detcli.datasets.many_sizes import ManySizes, augment_many_sizes
from detcli.datasets.multiscale import draw_size, resize_batch, scales
from detcli.errors import DataError, PictureError
from detcli.inference.preprocess import Preprocessor
from detcli.training.recipe import Recipe
from detcli.training.sampling import Sampler
from detcli.values.frame import Frame, Origin, Pixels, Unreadable
from detcli.values.masks import Rle
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
    mask      bool [B, H, W], True where a pixel is picture; None where all are
    targets   what is true of each
    files     their names
    failures  pictures that should have been there
    """

    pixels: Tensor
    mask: Tensor | None
    targets: list[Targets]
    files: tuple[str, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class _Example:
    """One picture, changed.

    pixels  uint8 [h, w, 3]; those of its row in the buffer where there is one
    truths  in its pixels
    bits    of its masks, uint8 [N, h x w / 8], eight pixels a byte; None where there are none
    """

    origin: Origin
    pixels: Pixels
    truths: Truths
    bits: npt.NDArray[np.uint8] | None
    failures: tuple[Failure, ...]

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True, slots=True)
class _Coming:
    """A part whose pictures are on their way; into its buffer, uint8 [B, H, W, 3], where they are of one size."""

    epoch: int
    step: int
    places: range
    buffer: Tensor | None
    examples: list[Future[_Example]]


class Feed:
    """Parts of steps in the order of the run.

    Pictures are stretched to one size, and go straight into the memory that becomes a part; or they have sizes of their
    own, and those of a part are padded to a common one.

    preprocessor  which turns bytes into what the network takes; where the recipe names no `shortest_edges`, its size is
                  that of all pictures
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
        self._size_hw = recipe.image_size_hw
        self._scales = scales(self._size_hw, recipe.multi_scale_repeat or None, divisor)
        self._strong = Augmentation(recipe.photometric, recipe.zoom_out, recipe.iou_crop, recipe.flip, recipe.mosaic)
        self._many_sizes = _many_sizes(recipe)

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
                    buffer = self._buffer(len(places))
                    rows = [None] * len(places) if buffer is None else buffer.numpy()
                    examples = [
                        pool.submit(self._example, order[place], epoch, place, row)
                        for place, row in zip(places, rows, strict=True)
                    ]
                    yield _Coming(epoch, step, places, buffer, examples)

    def _buffer(self, count: int) -> Tensor | None:
        if self._many_sizes is not None:
            return None
        return torch.empty((count, *self._size_hw, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda")

    def _example(self, index: int, epoch: int, place: int, row: Pixels | None) -> _Example:
        """Read and change one picture, into its row where there is one."""
        frame, truths, failures = self._readable(index)
        rng = np.random.default_rng(derive_seed(self._recipe.seed, epoch, place, "augmentation"))
        pixels, changed = self._changed(_pixels(frame), truths, self._augments(epoch), rng)
        if row is not None:
            row[...] = pixels
            pixels = row
        kept = changed[~changed.crowd]
        bits = None if kept.masks is None else _bits(kept.masks, pixels.shape[:2])
        return _Example(frame.origin, pixels, replace(kept, masks=None), bits, tuple(failures))

    def _changed(
        self, pixels: Pixels, truths: Truths, augments: bool, rng: np.random.Generator
    ) -> tuple[Pixels, Truths]:
        if self._many_sizes is not None:
            many_sizes = self._many_sizes if augments else self._many_sizes.calm()
            return augment_many_sizes(pixels, truths, many_sizes, rng=rng)
        settings = self._strong if augments else self._strong.calm()
        return augment(pixels, truths, settings, size_hw=self._size_hw, rng=rng, others=self._other)

    def _readable(self, index: int) -> tuple[Frame, Truths, list[Failure]]:
        """The picture, or the next one that can be read: the same whoever asks, so that processes agree."""
        failures: list[Failure] = []
        count = len(self._data)
        for offset in range(count):
            place = (index + offset) % count
            frame = self._data.read(place)
            if isinstance(frame, Unreadable):
                failures.append(Failure(place, frame.origin.file, frame.message))
                continue
            try:
                return frame, self._data.truths(place), failures
            except PictureError as error:  # of its masks
                failures.append(Failure(place, frame.origin.file, str(error)))
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
        if coming.buffer is None:
            frames = [Frame(one.origin, one.size_hw, None, one.pixels) for one in examples]
            batch = self._preprocessor.batch(frames)
            pixels, mask = batch.pixels, batch.mask
        else:
            pixels, mask = self._preprocessor.pixels(coming.buffer.to(self._device, non_blocking=True)), None
            if self._augments(coming.epoch):
                seed = derive_seed(self._recipe.seed, coming.epoch, coming.step, "size")
                pixels = resize_batch(pixels, draw_size(self._scales, seed))
        seeds = [derive_seed(self._recipe.seed, coming.epoch, place, "noise") for place in coming.places]
        return Part(
            pixels,
            mask,
            self._targets(examples, seeds),
            tuple(example.origin.file for example in examples),
            tuple(failure for example in examples for failure in example.failures),
        )

    def _targets(self, examples: list[_Example], seeds: list[int]) -> list[Targets]:
        """What is true of each, moved to the device in two pieces, and a third a picture for its masks."""
        truths = [one.truths for one in examples]
        sides = np.repeat([one.size_hw[::-1] * 2 for one in examples], [len(one) for one in truths], axis=0)
        xyxy = np.concatenate([one.boxes_xyxy for one in truths]) / sides
        cxcywh = np.concatenate(((xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]), axis=1)
        counts = [len(one) for one in truths]
        boxes = torch.from_numpy(cxcywh.astype(np.float32)).to(self._device)
        class_ids = torch.from_numpy(np.concatenate([one.class_ids for one in truths])).to(self._device)
        masks = [None if one.bits is None else _masks(one.bits, one.size_hw, self._device) for one in examples]
        each = zip(torch.split(class_ids, counts), torch.split(boxes, counts), seeds, masks, strict=True)
        return [Targets(*one) for one in each]


def _pixels(frame: Frame) -> Pixels:
    if frame.pixels is None:
        raise ValueError(f"'{frame.origin.file}' came without pixels")
    return frame.pixels


def _many_sizes(recipe: Recipe) -> ManySizes | None:
    """The augmentation of pictures of many sizes; None where they are stretched to one."""
    if not recipe.shortest_edges:
        return None
    return ManySizes(
        recipe.shortest_edges,
        recipe.longest_edge,
        recipe.random_crop,
        recipe.crop_edges,
        recipe.crop_sides,
        recipe.flip,
        recipe.photometric,
    )


def _bits(masks: tuple[Rle, ...], size_hw: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Masks as they wait for their step: eight pixels a byte."""
    rows = [np.packbits(mask.decode()) for mask in masks]
    return np.stack(rows) if rows else np.zeros((0, -(-size_hw[0] * size_hw[1] // 8)), np.uint8)


def _masks(bits: npt.NDArray[np.uint8], size_hw: tuple[int, int], device: torch.device) -> Tensor:
    """The same, bool [N, H, W] on the device."""
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
    each = torch.from_numpy(bits).to(device)[..., None] >> shifts & 1  # [N, bytes, 8]
    return each.flatten(1)[:, : size_hw[0] * size_hw[1]].bool().reshape(-1, *size_hw)
