"""Frames in, one batch out, exactly as the checkpoint was trained: the resize here, the scaling on the device."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from detcli.errors import UnsupportedModelError, UsageError
from detcli.values.batch import Batch
from detcli.values.frame import Frame, Pixels

# `resample` of preprocessor_config.json is Pillow's own number.
_RESAMPLING = {int(filter_): filter_ for filter_ in Image.Resampling}
_LONGEST_SIDE = 16384  # pixels; beyond it a batch of one would not fit into any memory


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pictures become a network's input.

    size_hw   height and width every picture is stretched to
    resample  Pillow's filter, antialiased, on uint8
    rescale   factor for 0 … 255, or None where the network takes them as they are
    mean std  a channel, after scaling; None where nothing is normalised
    """

    size_hw: tuple[int, int] = (640, 640)
    resample: Image.Resampling = Image.Resampling.BILINEAR
    rescale: float | None = 1 / 255
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    @classmethod
    def from_json(cls, config: Mapping[str, Any], *, size_divisor: int = 1) -> "Preprocessing":
        """Read preprocessor_config.json. Raises UnsupportedModelError naming the field that cannot be honoured."""
        size = config.get("size", {"height": 640, "width": 640})
        if not isinstance(size, Mapping) or not {"height", "width"} <= set(size):
            raise UnsupportedModelError(f"preprocessor_config.json: size is {_short(size)}, not a height and a width")
        if config.get("do_resize", True) is not True:
            raise UnsupportedModelError("preprocessor_config.json: do_resize is off; pictures need one common size")
        normalises = config.get("do_normalize", False) is True
        return cls(
            size_hw=check_size((size["height"], size["width"]), size_divisor, "preprocessor_config.json: size"),
            resample=_resampling(config.get("resample", 2)),
            rescale=_number(config, "rescale_factor", 1 / 255) if config.get("do_rescale", True) is True else None,
            mean=_three(config, "image_mean", (0.485, 0.456, 0.406)) if normalises else None,
            std=_three(config, "image_std", (0.229, 0.224, 0.225)) if normalises else None,
        )

    def with_size(self, size_hw: Sequence[int], divisor: int) -> "Preprocessing":
        """The same, for pictures of another size (`--imgsz`). Raises UsageError where no network can take it."""
        try:
            return replace(self, size_hw=check_size(size_hw, divisor, "--imgsz"))
        except UnsupportedModelError as error:
            raise UsageError(str(error)) from None

    def resize(self, image: Image.Image) -> Pixels:
        """Stretch an RGB picture to the network's size, as Pillow does it; releases the interpreter's lock."""
        height, width = self.size_hw
        return np.asarray(image.resize((width, height), self.resample))


class Preprocessor:
    """Frames -> batch. `prepare` may run ahead in any thread; `batch` stacks and moves to the device."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self.preprocessing = preprocessing
        self._device = device
        self._table = _value_table(preprocessing).to(device)

    def prepare(self, frame: Frame) -> Frame:
        """The frame with its resized pixels; unchanged if it has them."""
        if frame.prepared is not None:
            return frame
        if frame.pixels is None:
            raise ValueError(f"frame {frame.origin.index} has neither pixels nor prepared pixels")
        if frame.pixels.shape[:2] == self.preprocessing.size_hw:
            return replace(frame, prepared=frame.pixels)
        return replace(frame, prepared=self.preprocessing.resize(Image.fromarray(frame.pixels)))

    def batch(self, frames: Sequence[Frame]) -> Batch:
        """One batch of all frames; pixels are float32 in channels-last memory order."""
        prepared = [cast("Pixels", self.prepare(frame).prepared) for frame in frames]
        stacked = torch.from_numpy(np.stack(prepared)).to(self._device, non_blocking=True)  # [B, H, W, 3]
        sizes = torch.tensor([frame.size_hw for frame in frames])
        resized = torch.tensor([pixels.shape[:2] for pixels in prepared])
        return Batch(self.pixels(stacked), None, sizes, resized)

    def pixels(self, stacked: Tensor) -> Tensor:
        """What the network takes, float32 [B, 3, H, W] in channels-last memory order, of uint8 [B, H, W, 3] on the device."""
        return self._scale(stacked).permute(0, 3, 1, 2)

    def _scale(self, pixels: Tensor) -> Tensor:
        if self.preprocessing.rescale == 1 / 255 and self.preprocessing.mean is None:
            return pixels.float().div_(255)  # the same float32 numbers as the table, a few times faster
        channels = torch.arange(3, device=pixels.device)
        return self._table[channels, pixels.long()]


def check_size(size_hw: Sequence[Any], divisor: int, name: str) -> tuple[int, int]:
    """Height and width as a network can take them. Raises UnsupportedModelError otherwise."""
    height, width = size_hw
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int) or not divisor <= side <= _LONGEST_SIDE:
            raise UnsupportedModelError(
                f"{name} {_short(side)} is not a whole number from {divisor} to {_LONGEST_SIDE}"
            )
        if side % divisor:
            near = max(divisor, round(side / divisor) * divisor)
            raise UnsupportedModelError(f"{name} {side} is not a multiple of {divisor}; {near} is")
    return height, width


def _value_table(preprocessing: Preprocessing) -> Tensor:
    """What each of the 256 values of each channel becomes: float32 [3, 256].

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


def _resampling(value: Any) -> Image.Resampling:
    if isinstance(value, bool) or not isinstance(value, int) or value not in _RESAMPLING:
        raise UnsupportedModelError(f"preprocessor_config.json: resample {_short(value)} is no filter of Pillow's")
    return _RESAMPLING[value]


def _number(config: Mapping[str, Any], name: str, default: float) -> float:
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnsupportedModelError(f"preprocessor_config.json: {name} {_short(value)} is not a number")
    return float(value)


def _three(config: Mapping[str, Any], name: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
    value = config.get(name, default)
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise UnsupportedModelError(f"preprocessor_config.json: {name} {_short(value)} is not three numbers")
    numbers = {str(place): number for place, number in enumerate(value)}
    first, second, third = (_number(numbers, place, 0.0) for place in numbers)
    if name == "image_std" and 0.0 in (first, second, third):
        raise UnsupportedModelError("preprocessor_config.json: image_std holds a zero")
    return first, second, third


def _short(value: object) -> str:
    return repr(value)[:60]
