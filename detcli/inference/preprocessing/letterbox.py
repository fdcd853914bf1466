"""Images in the center of the input, on a gray border: read from preprocessor_config.json, and boxes without the border."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.errors import UnsupportedModelError
from detcli.inference.preprocessing.resize_rules import FitWithin, Letterbox, SizeHW, Sizing, short

POSITION, VALUE = "pad_position", "pad_value"
CENTER = "center"


def is_letterboxed(config: Mapping[str, Any]) -> bool:
    """Whether preprocessor_config.json puts images in the center of a padded input."""
    return config.get(POSITION) == CENTER and config.get("pad_size") is not None


def read_letterbox(config: Mapping[str, Any], sizing: Sizing, pad_size_hw: SizeHW | None, divisor: int) -> Letterbox:
    """Return the rule of a letterboxed input. Raises UnsupportedModelError with the field that is not supported."""
    if divisor == 1:
        raise UnsupportedModelError(f"{POSITION} is {CENTER}: only networks whose inputs have one size are letterboxed")
    if not isinstance(sizing, FitWithin) or sizing.max_hw != pad_size_hw:
        raise UnsupportedModelError(
            f"{POSITION} is {CENTER}, which needs a size of max_height and max_width, and a pad_size that is the same"
        )
    value = config.get(VALUE, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
        raise UnsupportedModelError(f"{VALUE} is {short(value)}, which is not a gray value of 0 to 255")
    return Letterbox(pad_size_hw, value)


def letterbox_fields(sizing: Letterbox) -> dict[str, Any]:
    """The fields of preprocessor_config.json that `read_letterbox` reads besides `size`."""
    return {
        "do_pad": True,
        "pad_size": dict(zip(("height", "width"), sizing.size_hw, strict=True)),
        POSITION: CENTER,
        VALUE: sizing.value,
    }


def without_border(
    sizing: Letterbox, sizes_hw: Iterable[SizeHW]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The offset and the factor that turn boxes, as fractions of the input, into fractions of each image.

    sizes_hw  of the images
    returns   [B, 1, 4] each, for center and size: (boxes - offset) * factor
    """
    height, width = sizing.size_hw
    offsets, factors = [], []
    for size in sizes_hw:
        (content_height, content_width), (top, left) = sizing.content_hw(size), sizing.corner(size)
        offsets.append((left / width, top / height, 0.0, 0.0))
        factors.append((width / content_width, height / content_height) * 2)
    return np.array(offsets).reshape(-1, 1, 4), np.array(factors).reshape(-1, 1, 4)
