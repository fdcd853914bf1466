"""Arrays as images: their checks and their pixels."""

import numpy as np
import numpy.typing as npt

from detcli.errors import UsageError
from detcli.structures.frame import Pixels


def rgb(array: npt.NDArray[np.uint8]) -> Pixels:
    """uint8 [H, W, 3] of [H, W], [H, W, 1] gray, [H, W, 3] RGB or [H, W, 4] RGBA."""
    if array.ndim == 2:
        array = array[:, :, None]
    return np.ascontiguousarray(np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array[:, :, :3])


def check_array(array: npt.NDArray[np.generic], name: str) -> None:
    """Raise TypeError for an array of another type than uint8, and UsageError for one of a wrong shape."""
    if array.dtype != np.uint8:
        hint = "; convert values from 0 to 1 with (array * 255).round().astype(numpy.uint8)"
        raise TypeError(
            f"{name} must be an array of uint8 from 0 to 255, not of {array.dtype}{hint * (array.dtype.kind == 'f')}"
        )
    shape = array.shape
    if len(shape) == 4:
        raise UsageError(f"{name} has the shape {list(shape)}: pass a batch as a list, list(array)")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        channels_first = len(shape) == 3 and shape[0] in (1, 3, 4)
        hint = "; it has channels first: use array.transpose(1, 2, 0)" if channels_first else ""
        raise UsageError(f"{name} must have the shape [H, W, 3], not {list(shape)}{hint}")
    check_not_empty(shape, name)


def check_not_empty(shape: tuple[int, ...], name: str) -> None:
    """Raise UsageError for an image without pixels."""
    if 0 in shape:
        raise UsageError(f"{name} has no pixels: its shape is {list(shape)}")
