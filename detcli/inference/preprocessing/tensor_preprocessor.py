"""Frames -> one batch of tensors on a device: resized on the CPU or on the device, scaled on the device."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from detcli.inference.batches.host_copy import upload
from detcli.inference.preprocessing.frame_preparation import FramePreparation
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize, SizeHW
from detcli.inference.preprocessing.tensor_resize import is_supported, resize
from detcli.structures.frame import Frame, Pixels
from detcli.structures.network_io import Batch

_VALUES_TOGETHER = 1 << 25  # of images that are resized at once: 128 MiB as int32


class Preprocessor(FramePreparation):
    """Frames -> batch. `prepare` may run ahead in any thread; `batch` stacks and moves to the device.

    resize_on_device  images of one input size are resized on the device, with the same bits; None: on a CUDA device, where
                      it relieves the CPU
    """

    def __init__(
        self, preprocessing: Preprocessing, device: torch.device, *, resize_on_device: bool | None = None
    ) -> None:
        super().__init__(preprocessing)
        self._device = device
        wanted = device.type == "cuda" if resize_on_device is None else resize_on_device
        one_size = isinstance(preprocessing.sizing, FixedSize) and preprocessing.pad_size_hw is None
        self._resizes = wanted and one_size and is_supported(preprocessing.resample)
        self._table = _value_table(preprocessing).to(device)
        self._spread = None  # mean and standard deviation of each channel
        if preprocessing.mean is not None and preprocessing.std is not None:
            self._spread = (
                torch.tensor(preprocessing.mean, device=device),
                torch.tensor(preprocessing.std, device=device),
            )

    def resize(self, image: Image.Image) -> Pixels:
        """Return the pixels that `batch` needs of a decoded image: all of them where the device resizes."""
        return np.asarray(image) if self._resizes else super().resize(image)

    def prepare(self, frame: Frame) -> Frame:
        """Return the frame with the pixels that `batch` needs; unchanged if it has them."""
        if self._resizes and frame.prepared is None and frame.pixels is not None:
            return replace(frame, prepared=frame.pixels)
        return super().prepare(frame)

    def batch(self, frames: Sequence[Frame]) -> Batch:
        """Return one batch of all frames; pixels are float32 in channels-last memory order.

        Smaller frames are padded at the bottom and the right. The mask marks real pixels; it is None without padding, and
        for a network that takes none.
        """
        prepared = [cast("Pixels", self.prepare(frame).prepared) for frame in frames]
        sizes = torch.tensor([frame.size_hw for frame in frames])
        if self._resizes and self.preprocessing.size_hw is not None:
            return self._resized_batch(prepared, sizes, self.preprocessing.size_hw)
        resized = torch.tensor([pixels.shape[:2] for pixels in prepared])
        height, width = self.preprocessing.pad_size_hw or resized.amax(0).tolist()
        if bool((resized == torch.tensor((height, width))).all()):
            return Batch(self.pixels(self._upload(prepared)), None, sizes, resized)
        padded = self._pinned(len(prepared), height, width).zero_()
        for row, image in zip(padded.numpy(), prepared, strict=True):
            row[: image.shape[0], : image.shape[1]] = image
        mask = upload(real_pixels(resized, (height, width)), self._device)
        # Zeros are set after normalization: a black pixel is not zero then.
        pixels = self.pixels(padded.to(self._device, non_blocking=True))
        pixels = pixels.masked_fill_(~mask[:, None], 0)
        return Batch(pixels, mask if self.preprocessing.has_mask else None, sizes, resized)

    def _resized_batch(self, prepared: Sequence[Pixels], sizes: Tensor, size_hw: SizeHW) -> Batch:
        """Upload images of any size, and resize them on the device: those of one size together."""
        stacked = torch.empty((len(prepared), *size_hw, 3), dtype=torch.uint8, device=self._device)
        for indices in _of_one_size(prepared):
            images = self._upload([prepared[index] for index in indices])
            for index, image in zip(indices, resize(images, size_hw, self.preprocessing.resample), strict=True):
                stacked[index].copy_(image)
        return Batch(self.pixels(stacked), None, sizes, torch.tensor([size_hw] * len(prepared)))

    def _upload(self, images: Sequence[Pixels]) -> Tensor:
        """Stack images of one size and copy them to the device: uint8 [B, H, W, 3].

        A GPU copies in the background, from pinned memory; torch reuses that memory when the copy is finished.
        """
        stacked = self._pinned(len(images), *images[0].shape[:2])
        np.stack(images, out=stacked.numpy())
        return stacked.to(self._device, non_blocking=True)

    def _pinned(self, count: int, height: int, width: int) -> Tensor:
        """Memory for images, uint8 [B, H, W, 3], from which a GPU copies in the background."""
        return torch.empty((count, height, width, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda")

    def pixels(self, stacked: Tensor) -> Tensor:
        """Scale uint8 [B, H, W, 3] on the device to the input, float32 [B, 3, H, W] in channels-last memory order."""
        return self._scale(stacked).permute(0, 3, 1, 2)

    def _scale(self, pixels: Tensor) -> Tensor:
        if self.preprocessing.rescale == 1 / 255 and self._spread is None:
            return pixels.float().div_(255)  # the same float32 numbers as the table, a few times faster
        if self.preprocessing.rescale == 1 / 255 and self._spread is not None and pixels.device.type != "mps":
            mean, std = self._spread
            return pixels.float().div_(255).sub_(mean).div_(std)  # the same again
        channels = torch.arange(3, device=pixels.device)
        return self._table[channels, pixels.long()]


def _of_one_size(images: Sequence[Pixels]) -> Iterator[list[int]]:
    """Indices of images of one size, not too many together."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        by_size.setdefault(image.shape, []).append(index)
    for shape, indices in by_size.items():
        most = max(1, _VALUES_TOGETHER // math.prod(shape))
        yield from (indices[first : first + most] for first in range(0, len(indices), most))


def real_pixels(resized_hw: Tensor, size_hw: SizeHW) -> Tensor:
    """Return the mask of a padded batch, bool [B, H, W]: True where the image is, from the top left corner.

    resized_hw  int64 [B, 2]
    """
    height, width = (torch.arange(side) for side in size_hw)
    return (height < resized_hw[:, :1])[:, :, None] & (width < resized_hw[:, 1:])[:, None, :]


def _value_table(preprocessing: Preprocessing) -> Tensor:
    """Return the input value for each of the 256 values of each channel: float32 [3, 256].

    Rounds where transformers rounds: after scaling, after the mean, after the division.
    """
    values = np.arange(256, dtype=np.float64)
    scaled = (values * (1.0 if preprocessing.rescale is None else preprocessing.rescale)).astype(np.float32)
    table = np.broadcast_to(scaled, (3, 256))
    if preprocessing.mean is not None and preprocessing.std is not None:
        mean = np.array(preprocessing.mean, np.float32)[:, None]
        std = np.array(preprocessing.std, np.float32)[:, None]
        table = (table - mean) / std
    return torch.from_numpy(table.copy())
