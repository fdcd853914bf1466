"""The image size that the anchors in a file of D-FINE's or RT-DETR's original repository were made for."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.conversion.assumptions import argument
from detcli.models.family import ConversionHints
from detcli.models.layers.query_selection import anchor_grid

Strides = Sequence[tuple[int, int]]

ANCHORS, VALID = "decoder.anchors", "decoder.valid_mask"
_PUBLISHED_SIZE = (640, 640)
_LARGEST_SIDE = 16384  # pixels
_TOLERANCE = 0.02  # of logits in float16 or bfloat16; the centers of two grids differ by more somewhere
_INVALID = 1e4  # anchors above it are not used: they are infinity, or the maximum of their type


def image_size(
    tensors: Mapping[str, Tensor], strides: Strides, levels: int, hints: ConversionHints
) -> tuple[tuple[int, int], tuple[str, ...], tuple[str, ...]]:
    """Height and width of the training images, a note if the user says others than the file, and what is assumed.

    strides, levels  as in `stored_size_hw`, which raises, unless the user gives the size
    """
    given = hints.image_size_hw
    if given is None:
        told = stored_size_hw(tensors, strides, levels) or _told_size(hints.args)
        height, width = told or _PUBLISHED_SIZE
        return (height, width), (), () if told else (f"image_size={height}x{width}",)
    try:
        stored = stored_size_hw(tensors, strides, levels) or given
    except (DamagedModelError, UnsupportedModelError):  # the file does not tell
        stored = given
    if stored == given:
        return given, (), ()
    said, own = (f"{height} x {width}" for height, width in (given, stored))
    return given, (f"converted for images of {said}, but its anchors are those of {own}",), ()


def _told_size(args: Mapping[str, Any]) -> tuple[int, int] | None:
    size = argument(args, "eval_spatial_size") or args.get("img_size")  # of D-FINE-seg
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(type(side) is int for side in size):
        return None
    return size[0], size[1]


def stored_size_hw(tensors: Mapping[str, Tensor], strides: Strides, levels: int) -> tuple[int, int] | None:
    """Return height and width of the images that the anchors are for; None if the file has neither anchors nor their mask.

    strides  of the backbone's maps, vertical and horizontal
    levels   of the decoder; those beyond the backbone's maps are made from the last one

    The number of cells leaves a few sizes; the anchors are the centers of the cells, and only one size has these.

    Raises DamagedModelError for anchors of no size, and UnsupportedModelError if they are those of several sizes.
    """
    anchors, valid = tensors.get(ANCHORS), tensors.get(VALID)
    if anchors is None and valid is None:
        return None
    count = anchors.numel() // 4 if anchors is not None else tensors[VALID].numel()
    divisor, strides = strides[-1], _all_strides(strides, levels)
    fitting = [
        size_hw
        for size_hw in _sizes_of(count, strides, divisor)
        if _is_grid_of(anchors, valid, [(size_hw[0] // down, size_hw[1] // across) for down, across in strides])
    ]
    if not fitting:
        raise DamagedModelError(f"'{ANCHORS}' and '{VALID}' are those of no image size that the network can take")
    if len(fitting) > 1:
        some = ", ".join(f"{height} x {width}" for height, width in fitting[:4])
        raise UnsupportedModelError(
            f"the file has no anchors, and their mask is the same for several image sizes ({some}); convert it with `image_size`"
        )
    return fitting[0]


def _all_strides(strides: Strides, levels: int) -> Strides:
    """Vertical and horizontal stride of each level of the decoder."""
    strides = list(strides)
    while len(strides) < levels:
        strides.append((2 * strides[-1][0], 2 * strides[-1][1]))
    return strides


def _sizes_of(count: int, strides: Strides, divisor: tuple[int, int]) -> list[tuple[int, int]]:
    """All image sizes whose maps have `count` cells together."""

    def cells(height: int, width: int) -> int:
        return sum((height // down) * (width // across) for down, across in strides)

    found = []
    for height in range(divisor[0], _LARGEST_SIDE + 1, divisor[0]):
        least, most = 1, _LARGEST_SIDE // divisor[1]
        while least < most:  # the number of cells grows with the width
            middle = (least + most) // 2
            least, most = (least, middle) if cells(height, middle * divisor[1]) >= count else (middle + 1, most)
        if cells(height, least * divisor[1]) == count:
            found.append((height, least * divisor[1]))
    return found


def _is_grid_of(anchors: Tensor | None, valid: Tensor | None, shapes_hw: Sequence[tuple[int, int]]) -> bool:
    """Whether anchors and mask are those of maps of these shapes."""
    expected, usable = anchor_grid(tuple(shapes_hw), device=torch.device("cpu"), dtype=torch.float32)
    if valid is not None and not torch.equal(valid.reshape(-1).bool(), usable[:, 0]):
        return False
    if anchors is None:
        return True
    if anchors.numel() != expected.numel():
        return False
    given, used = anchors.reshape(-1, 4).float(), usable[:, 0]
    unused_are_invalid = bool((given[~used] > _INVALID).all())
    return unused_are_invalid and bool(((given[used] - expected[used]).abs() < _TOLERANCE).all())
