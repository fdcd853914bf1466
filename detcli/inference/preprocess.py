"""Frames -> one batch, exactly as the checkpoint was trained: resized on the CPU, scaled on the device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from detcli.errors import UnsupportedModelError, UsageError
from detcli.inference.preprocessor_checks import check_fields, kind_of
from detcli.inference.preprocessor_values import fits, modern, number_of, read_pad_size, resampling, three_of
from detcli.inference.resize_rules import (
    FixedSize,
    SizeHW,
    Sizing,
    read_sizing,
)
from detcli.structures.frame import Frame, Pixels
from detcli.structures.network_io import Batch

if TYPE_CHECKING:
    from detcli.models.family import Family


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How images are turned into the input of a network.

    sizing       the rule for their size
    resample     Pillow's filter, antialiased, on uint8
    rescale      factor for 0 … 255; None: the network takes 0 … 255
    mean, std    per channel, after scaling; None: no normalization
    pads         whether images of different sizes may share a batch, with zeros at the bottom and the right
    pad_size_hw  every image is padded to this size, alone too; None: to the largest image in the batch. The network then
                 learned boxes as fractions of the padded input, as transformers' processors make them
    has_mask     whether the network is given the mask of padded batches
    """

    sizing: Sizing = field(default_factory=lambda: FixedSize((640, 640)))
    resample: Image.Resampling = Image.Resampling.BILINEAR
    rescale: float | None = 1 / 255
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    pads: bool = True
    pad_size_hw: SizeHW | None = None
    has_mask: bool = True

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        family: "Family",
        *,
        size_divisor: int | None = None,
        file: str = "preprocessor_config.json",
    ) -> "Preprocessing":
        """Read preprocessor_config.json of a family; missing fields, perhaps all, have the defaults of the kind of processor.

        file  name for messages

        Raises UnsupportedModelError with the file and the field that is not supported.
        """
        divisor = family.size_divisor if size_divisor is None else size_divisor
        try:
            defaults = _defaults_of(kind_of(config, str(family.preprocessor.get("image_processor_type"))), family)
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"{file}: {error}") from error
        return cls.from_json({**defaults, **modern(config)}, size_divisor=divisor, file=file)

    @classmethod
    def from_json(
        cls, config: Mapping[str, Any], *, size_divisor: int = 1, file: str = "preprocessor_config.json"
    ) -> "Preprocessing":
        """Read a complete preprocessor_config.json; missing fields have the defaults of D-FINE.

        Raises UnsupportedModelError with the file and the field that is not supported.
        """
        try:
            check_fields(config)
            return cls._read(modern(config), size_divisor)
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"{file}: {error}") from error

    @classmethod
    def _read(cls, config: Mapping[str, Any], size_divisor: int) -> "Preprocessing":
        normalises = config.get("do_normalize", False) is True
        pads = config.get("do_pad", True) is True
        padded = pads and config.get("pad_size") is not None  # then the network's input has the size after padding
        sizing = read_sizing(config, 1 if padded else size_divisor)
        return cls(
            sizing,
            resample=resampling(config.get("resample", 2)),
            rescale=number_of(config.get("rescale_factor", 1 / 255), "rescale_factor")
            if config.get("do_rescale", True) is True
            else None,
            mean=three_of(config, "image_mean", (0.485, 0.456, 0.406)) if normalises else None,
            std=three_of(config, "image_std", (0.229, 0.224, 0.225)) if normalises else None,
            pads=pads,
            pad_size_hw=read_pad_size(config.get("pad_size"), sizing, size_divisor) if pads else None,
            has_mask=size_divisor == 1,
        )

    @property
    def size_hw(self) -> SizeHW | None:
        """The input size, padding included, if it is the same for all images; else None."""
        if self.pad_size_hw is not None:
            return self.pad_size_hw
        return self.sizing.size_hw if isinstance(self.sizing, FixedSize) else None

    @property
    def image_size(self) -> SizeHW | None:
        """The `image_size` that gives this rule; None if there is none."""
        return self.sizing.image_size

    def resized_hw(self, size_hw: SizeHW) -> SizeHW:
        """Return the size after resizing of an image of this size."""
        return self.sizing.resized_hw(size_hw)

    def with_size(self, size_hw: Sequence[int], divisor: int) -> "Preprocessing":
        """Return the same rule for another `image_size`. Raises UsageError if the network cannot take it."""
        sizing = self.sizing.with_image_size(size_hw, divisor)
        if self.pad_size_hw is not None and not fits(sizing, self.pad_size_hw):
            height, width = self.pad_size_hw
            raise UsageError(
                f"`image_size`: the model pads every image to {height} x {width}; larger images do not fit"
            )
        return replace(self, sizing=sizing)

    def resize(self, image: Image.Image) -> Pixels:
        """Resize an RGB image for the network with Pillow; releases the GIL."""
        height, width = self.resized_hw((image.height, image.width))
        return np.asarray(image.resize((width, height), self.resample))


class Preprocessor:
    """Frames -> batch. `prepare` may run ahead in any thread; `batch` stacks and moves to the device."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self.preprocessing = preprocessing
        self._device = device
        self._table = _value_table(preprocessing).to(device)
        self._spread = None  # mean and standard deviation of each channel
        if preprocessing.mean is not None and preprocessing.std is not None:
            self._spread = (torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std))

    def prepare(self, frame: Frame) -> Frame:
        """Return the frame with resized pixels; unchanged if it has them."""
        if frame.prepared is not None:
            return frame
        if frame.pixels is None:
            raise ValueError(f"frame {frame.origin.index} has neither pixels nor prepared pixels")
        height, width = frame.pixels.shape[:2]
        if self.preprocessing.resized_hw((height, width)) == (height, width):
            return replace(frame, prepared=frame.pixels)
        return replace(frame, prepared=self.preprocessing.resize(Image.fromarray(frame.pixels)))

    def batch_size_hw(self, frame: Frame) -> SizeHW:
        """Return the input size of a frame in a batch without other frames."""
        if self.preprocessing.size_hw is not None:
            return self.preprocessing.size_hw
        if frame.prepared is not None:
            return frame.prepared.shape[0], frame.prepared.shape[1]
        return self.preprocessing.resized_hw(frame.size_hw)

    def batch(self, frames: Sequence[Frame]) -> Batch:
        """Return one batch of all frames; pixels are float32 in channels-last memory order.

        Smaller frames are padded at the bottom and the right. The mask marks real pixels; it is None without padding, and
        for a network that takes none.
        """
        prepared = [cast("Pixels", self.prepare(frame).prepared) for frame in frames]
        sizes = torch.tensor([frame.size_hw for frame in frames])
        resized = torch.tensor([pixels.shape[:2] for pixels in prepared])
        height, width = self.preprocessing.pad_size_hw or resized.amax(0).tolist()
        if bool((resized == torch.tensor((height, width))).all()):
            stacked = torch.from_numpy(np.stack(prepared)).to(self._device, non_blocking=True)  # [B, H, W, 3]
            return Batch(self.pixels(stacked), None, sizes, resized)
        padded = np.zeros((len(prepared), height, width, 3), np.uint8)
        for row, image in zip(padded, prepared, strict=True):
            row[: image.shape[0], : image.shape[1]] = image
        mask = real_pixels(resized, (height, width)).to(self._device, non_blocking=True)
        # Zeros are set after normalization: a black pixel is not zero then.
        pixels = self.pixels(torch.from_numpy(padded).to(self._device, non_blocking=True))
        pixels = pixels.masked_fill_(~mask[:, None], 0)
        return Batch(pixels, mask if self.preprocessing.has_mask else None, sizes, resized)

    def pixels(self, stacked: Tensor) -> Tensor:
        """Scale uint8 [B, H, W, 3] on the device to the input, float32 [B, 3, H, W] in channels-last memory order."""
        return self._scale(stacked).permute(0, 3, 1, 2)

    def _scale(self, pixels: Tensor) -> Tensor:
        if self.preprocessing.rescale == 1 / 255 and self._spread is None:
            return pixels.float().div_(255)  # the same float32 numbers as the table, a few times faster
        if self.preprocessing.rescale == 1 / 255 and self._spread is not None and pixels.device.type == "cpu":
            mean, std = self._spread
            return pixels.float().div_(255).sub_(mean).div_(std)  # the same again
        channels = torch.arange(3, device=pixels.device)
        return self._table[channels, pixels.long()]


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


def _defaults_of(kind: str | None, family: "Family") -> Mapping[str, Any]:
    """preprocessor_config.json of a kind of processor, for fields that a file lacks; without a kind, that of the family."""
    own = family.preprocessor
    if kind is None or kind == own.get("image_processor_type"):
        return own
    from detcli.models.family import FAMILIES

    return next(
        (other.preprocessor for other in FAMILIES.values() if other.preprocessor.get("image_processor_type") == kind),
        own,
    )
