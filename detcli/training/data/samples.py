"""Reads and augments one image with its ground truth, and keeps them in little memory until their step."""

from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detcli.datasets.dataset import Dataset
from detcli.errors import DataError, ImageError
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle
from detcli.structures.resize import InputBorder
from detcli.structures.seeding import derive_seed
from detcli.training.data.image_augmentation import ImageAugmentation
from detcli.training.data.sampler import ImageOrder
from detcli.training.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """An image that could not be read, and why; another one replaced it.

    partner  it was to be combined with an image, and is no image of the epoch by itself
    """

    index: int
    file: str
    reason: str
    partner: bool = False


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """One augmented image.

    pixels  uint8 [h, w, 3]; those of its row of the buffer, if there is one
    ground_truth  in its pixels
    bits    of its masks, uint8 [N, h x w / 8], eight pixels per byte; None without masks
    """

    origin: Origin
    pixels: Pixels
    ground_truth: GroundTruth
    bits: npt.NDArray[np.uint8] | None
    failures: tuple[LoadFailure, ...]

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def boxes_cxcywh(self) -> npt.NDArray[np.float32]:
        """Boxes as the losses take them: float32 [N, 4], fractions of the image."""
        height, width = self.size_hw
        xyxy = self.ground_truth.boxes_xyxy / [width, height, width, height]
        cxcywh = np.concatenate(((xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]), axis=1)
        return cxcywh.astype(np.float32)

    def masks(self, device: torch.device) -> Tensor | None:
        """Masks as the losses take them: bool [N, h, w] on the device; None without masks."""
        if self.bits is None:
            return None
        height, width = self.size_hw
        shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
        each = torch.from_numpy(self.bits).to(device)[..., None] >> shifts & 1  # [N, bytes, 8]
        return each.flatten(1)[:, : height * width].bool().reshape(-1, height, width)


class TrainingSamples:
    """Makes samples of a dataset; thread-safe.

    order   says which images are combined with another one, and which replace one that cannot be read
    border  of images of one size that keep their aspect ratio
    masks   whether masks are trained; else samples have none
    """

    def __init__(
        self,
        data: Dataset,
        recipe: Recipe,
        order: ImageOrder,
        *,
        border: InputBorder | None = None,
        masks: bool = True,
    ) -> None:
        self._data, self._recipe, self._order = data, recipe, order
        stuff = data.labels.stuff
        self._augmentation = ImageAugmentation(recipe, stuff, border=border, masks=masks)

    @property
    def many_sizes(self) -> bool:
        """Whether images have different sizes."""
        return self._augmentation.many_sizes

    def make(self, index: int, epoch: int, position: int, row: Pixels | None) -> TrainingSample:
        """Read and augment one image, into its row of a buffer if there is one."""
        failures: list[LoadFailure] = []
        partners: list[LoadFailure] = []
        frame, ground_truth = self._readable(index, failures)
        rng = np.random.default_rng(derive_seed(self._recipe.seed, epoch, position, "augmentation"))
        pixels, changed = self._augmentation.apply(
            _pixels(frame), ground_truth, rng, lambda number: self._other(number, partners), strong=self.augments(epoch)
        )
        failures += (replace(failure, partner=True) for failure in partners)
        if row is not None:
            row[...] = pixels
            pixels = row
        kept = changed[~changed.crowd]
        bits = None if kept.masks is None else _bits(kept.masks, pixels.shape[:2])
        return TrainingSample(frame.origin, pixels, replace(kept, masks=None), bits, tuple(failures))

    def augments(self, epoch: int) -> bool:
        """Whether images of an epoch get more augmentation than flips and quarter turns."""
        return not 0 < self._recipe.stop_augmentation_epoch <= epoch

    def _readable(self, index: int, failures: list[LoadFailure]) -> tuple[Frame, GroundTruth]:
        """The image, or the first replacement that can be read: the same in every process. Adds what cannot be read."""
        known = len(failures)
        for position in chain((index,), self._order.replacements(index)):
            frame = self._data.read(position)
            if isinstance(frame, FailedFrame):
                failures.append(LoadFailure(position, frame.origin.file, frame.message))
                continue
            try:
                return frame, self._data.ground_truth(position)
            except ImageError as error:  # of its masks
                failures.append(LoadFailure(position, frame.origin.file, str(error)))
        failed = failures[known:]
        which = "images" if len(failed) == len(self._data) else "images with boxes"
        raise DataError(
            f"none of the {len(failed)} {which} can be read; the first is '{failed[0].file}': {failed[0].reason}"
        )

    def _other(self, number: int, failures: list[LoadFailure]) -> tuple[Pixels, GroundTruth]:
        frame, ground_truth = self._readable(self._order.other(number), failures)
        return _pixels(frame), ground_truth


def _pixels(frame: Frame) -> Pixels:
    if frame.pixels is None:
        raise ValueError(f"'{frame.origin.file}' has no pixels")
    return frame.pixels


def _bits(masks: tuple[Rle, ...], size_hw: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Masks as they wait for their step: eight pixels a byte."""
    rows = [np.packbits(mask.decode()) for mask in masks]
    return np.stack(rows) if rows else np.zeros((0, -(-size_hw[0] * size_hw[1] // 8)), np.uint8)
