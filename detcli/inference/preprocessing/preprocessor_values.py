"""Single values of preprocessor_config.json, checked: filter, numbers for each channel, size after padding."""

import math
from collections.abc import Mapping
from typing import Any

from PIL import Image

from detcli.errors import UnsupportedModelError
from detcli.inference.preprocessing.resize_rules import NoResize, ShortestEdge, SizeHW, Sizing, check_size, short

# `resample` of preprocessor_config.json is Pillow's own number, or its name: "bilinear", "PILImageResampling.BILINEAR".
_RESAMPLING = {int(filter_): filter_ for filter_ in Image.Resampling}
_RESAMPLING_NAMES = {filter_.name.casefold(): filter_ for filter_ in Image.Resampling} | {
    "antialias": Image.Resampling.LANCZOS
}
_MAX_SCALE = 1e6  # of numbers that pixels are scaled by: float32 can hold the results


def resampling(value: Any) -> Image.Resampling:
    """Return Pillow's filter, given as its number or its name. Raises UnsupportedModelError, as all functions here."""
    if isinstance(value, str) and (named := _RESAMPLING_NAMES.get(value.rpartition(".")[2].casefold())) is not None:
        return named
    if isinstance(value, bool) or not isinstance(value, int) or value not in _RESAMPLING:
        raise UnsupportedModelError(f"resample {short(value)} is not a filter of Pillow")
    return _RESAMPLING[value]


def number_of(value: Any, name: str, *, least: float = 0.0) -> float:
    """Return a number if its absolute value is between `least` and the maximum."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnsupportedModelError(f"{name} {short(value)} is not a number")
    if not least <= abs(value) <= _MAX_SCALE:
        raise UnsupportedModelError(f"{name} is {short(value)}, not a valid scale for pixels")
    return float(value)


def three_of(config: Mapping[str, Any], name: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the numbers for the three channels; a single one is that of all."""
    value = config.get(name, default)
    if isinstance(value, int | float) and not isinstance(value, bool):  # one number for all channels
        value = [value] * 3
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise UnsupportedModelError(f"{name} {short(value)} is neither a number nor three numbers")
    if name == "image_std" and 0 in value:
        raise UnsupportedModelError("image_std has a zero")
    if name == "image_std" and any(isinstance(number, int | float) and number < 0 for number in value):
        raise UnsupportedModelError(f"image_std {short(value)} has a negative number")
    least = 1 / _MAX_SCALE if name == "image_std" else 0.0
    first, second, third = (number_of(number, f"{name}.{index}", least=least) for index, number in enumerate(value))
    return first, second, third


def modern(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same settings under their current names."""
    legacy = config.get("pad_and_return_pixel_mask")
    return {**({"do_pad": legacy} if isinstance(legacy, bool) else {}), **config}


def read_pad_size(value: Any, sizing: Sizing, divisor: int) -> SizeHW | None:
    """Return height and width after padding; None if there is no such size."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not {"height", "width"} <= set(value):
        raise UnsupportedModelError(f"pad_size is {short(value)}, not a height and a width")
    size = check_size((value["height"], value["width"]), divisor, "pad_size")
    if not fits(sizing, size):
        raise UnsupportedModelError(f"pad_size is {short(value)}, but images may be larger")
    return size


def fits(sizing: Sizing, size_hw: SizeHW) -> bool:
    """Whether no resized image is larger than this size."""
    if isinstance(sizing, NoResize):
        return False
    largest = (sizing.longest, sizing.longest) if isinstance(sizing, ShortestEdge) else sizing.image_size or size_hw
    return largest[0] <= size_hw[0] and largest[1] <= size_hw[1]
