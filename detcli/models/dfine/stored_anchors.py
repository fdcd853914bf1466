"""The image size that the anchors in a file of D-FINE's original repository were made for."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.dfine.config import DFineConfig
from detcli.models.dfine.query_selection import anchor_grid

ANCHORS, VALID = "decoder.anchors", "decoder.valid_mask"
_LARGEST_SIDE = 16384  # pixels
_TOLERANCE = 0.02  # of logits in float16 or bfloat16; the centers of two grids differ by more somewhere
_INVALID = 1e4  # anchors above it are not used: they are infinity, or the maximum of their type


def stored_size_hw(tensors: Mapping[str, Tensor], config: DFineConfig) -> tuple[int, int] | None:
    """Return height and width of the images that the anchors are for; None if the file has neither anchors nor their mask.

    The number of cells leaves a few sizes; the anchors are the centers of the cells, and only one size has these.

    Raises DamagedModelError for anchors of no size, and UnsupportedModelError if they are those of several sizes.
    """
    anchors, valid = tensors.get(ANCHORS), tensors.get(VALID)
    if anchors is None and valid is None:
        return None
    count = anchors.numel() // 4 if anchors is not None else tensors[VALID].numel()
    fitting = [
        size_hw
        for size_hw in _sizes_of(count, _strides(config), config.size_divisor)
        if _is_grid_of(
            anchors, valid, [(size_hw[0] // down, size_hw[1] // across) for down, across in _strides(config)]
        )
    ]
    if not fitting:
        raise DamagedModelError(f"'{ANCHORS}' and '{VALID}' are those of no image size that the network can take")
    if len(fitting) > 1:
        some = ", ".join(f"{height} x {width}" for height, width in fitting[:4])
        raise UnsupportedModelError(
            f"the file has no anchors, and their mask is the same for several image sizes ({some}); convert it with `image_size`"
        )
    return fitting[0]


def _strides(config: DFineConfig) -> list[tuple[int, int]]:
    """Vertical and horizontal stride of each level of the decoder."""
    strides = list(config.backbone.out_strides)
    while len(strides) < config.num_feature_levels:
        strides.append((2 * strides[-1][0], 2 * strides[-1][1]))
    return strides


def _sizes_of(count: int, strides: Sequence[tuple[int, int]], divisor: tuple[int, int]) -> list[tuple[int, int]]:
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
