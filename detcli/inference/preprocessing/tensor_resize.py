"""Pillow's antialiased resizing with tensors, to the last bit, for devices that resize faster than the CPU.

Pillow computes in integers: the weights of a filter are rounded to 22 bits after the point, a row of pixels is summed up with
them, rounded to 8 bits, and then the columns are. The same integers give the same bits on every device.
Source: Pillow, src/libImaging/Resample.c, for images with 8 bits per channel.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from detcli.inference.batches.host_copy import upload

_BITS = 22

Weights = npt.NDArray[np.float64]


def _box(x: Weights) -> Weights:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def _bilinear(x: Weights) -> Weights:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _bicubic(x: Weights) -> Weights:
    a = -0.5
    x = np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


@dataclass(frozen=True, slots=True)
class _Filter:
    """A filter's weights by distance, and the distance where they end, in pixels of the smaller image."""

    weights: Callable[[Weights], Weights]
    support: float


_FILTERS = {
    Image.Resampling.BOX: _Filter(_box, 0.5),
    Image.Resampling.BILINEAR: _Filter(_bilinear, 1.0),
    Image.Resampling.BICUBIC: _Filter(_bicubic, 2.0),
}


# Sizes (before, after) whose results differ between the orders of the two passes.
_PROBES = (((40, 40), (10, 38)), ((40, 24), (20, 20)), ((30, 30), (29, 60)), ((24, 40), (20, 10)), ((12, 9), (31, 28)))


def is_supported(resample: Image.Resampling) -> bool:
    """Whether `resize` has a filter, and gives the bits of the installed Pillow."""
    return resample in _FILTERS and _order(resample) is not None


def resize(pixels: Tensor, size_hw: tuple[int, int], resample: Image.Resampling) -> Tensor:
    """Resize as `PIL.Image.resize` does.

    pixels   uint8 [..., H, W, C], on any device
    size_hw  height and width of the result

    returns uint8 [..., h, w, C]; raises ValueError for a filter that is not supported
    """
    order = _order(resample) if resample in _FILTERS else None
    if order is None:
        raise ValueError(f"{resample!r} is not supported")
    return _resize(pixels, size_hw, resample, order)


def _resize(pixels: Tensor, size_hw: tuple[int, int], resample: Image.Resampling, order: "_Order") -> Tensor:
    columns_first = order((pixels.shape[-3], pixels.shape[-2]), size_hw)
    for axis in (0, 1) if columns_first else (1, 0):
        if pixels.shape[axis - 3] != size_hw[axis]:
            rows = pixels if axis == 1 else pixels.transpose(-3, -2)
            rows = _resize_rows(rows, size_hw[axis], resample)
            pixels = rows if axis == 1 else rows.transpose(-3, -2)
    return pixels.contiguous()


# Whether the columns are summed up before the rows, for a size before and after.
_Order = Callable[[tuple[int, int], tuple[int, int]], bool]


def _by_reduction(size_hw: tuple[int, int], new_hw: tuple[int, int]) -> bool:
    """Pillow 13: columns first if the height is reduced by more than twice the pixels that the width is."""
    fewer_rows, fewer_columns = size_hw[0] - new_hw[0], size_hw[1] - new_hw[1]
    return fewer_rows > 0 and fewer_rows > 2 * fewer_columns


def _never(size_hw: tuple[int, int], new_hw: tuple[int, int]) -> bool:
    """Pillow before 13: rows first."""
    return False


@lru_cache
def _order(resample: Image.Resampling) -> _Order | None:
    """The order of the installed Pillow, found by trying; None: neither of those that are known."""
    random = np.random.default_rng(0)
    probes = [(random.integers(0, 256, (*before, 3), dtype=np.uint8), after) for before, after in _PROBES]
    return next((order for order in (_by_reduction, _never) if _has_order(order, probes, resample)), None)


def _has_order(
    order: _Order, probes: Sequence[tuple[npt.NDArray[np.uint8], tuple[int, int]]], resample: Image.Resampling
) -> bool:
    for pixels, (height, width) in probes:
        expected = np.asarray(Image.fromarray(pixels).resize((width, height), resample))
        if not np.array_equal(_resize(torch.from_numpy(pixels), (height, width), resample, order).numpy(), expected):
            return False
    return True


def _resize_rows(pixels: Tensor, width: int, resample: Image.Resampling) -> Tensor:
    """Change the width of uint8 [..., H, W, C]."""
    # By stream: in another one of the same GPU, the copy may not have arrived yet.
    stream = torch.cuda.current_stream(pixels.device).cuda_stream if pixels.device.type == "cuda" else 0
    positions, weights = _on_device(pixels.shape[-2], width, resample, pixels.device, stream)
    values = pixels.to(torch.int32)
    shape = (*pixels.shape[:-2], width, pixels.shape[-1])
    sums = torch.full(shape, 1 << (_BITS - 1), dtype=torch.int32, device=pixels.device)
    for position, weight in zip(positions, weights, strict=True):
        sums.addcmul_(values.index_select(-2, position), weight[:, None])
    return (sums >> _BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=256)
def _on_device(
    length: int, wanted: int, resample: Image.Resampling, device: torch.device, stream: int
) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):
        positions, weights = filter_weights(length, wanted, resample)
        return upload(torch.from_numpy(positions), device), upload(torch.from_numpy(weights), device)


def filter_weights(
    length: int, wanted: int, resample: Image.Resampling
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return, for each of K terms of a sum, the source pixel of each wanted pixel and its weight, both [K, wanted].

    Weights are integers with 22 bits after the point. Terms beyond the border of the image have a weight of 0.
    """
    kind = _FILTERS[resample]
    scale = length / wanted
    stretch = max(scale, 1.0)
    support = kind.support * stretch
    count = math.ceil(support) * 2 + 1
    centers = (np.arange(wanted) + 0.5) * scale
    first = np.maximum((centers - support + 0.5).astype(np.int64), 0)  # rounded toward zero
    end = np.minimum((centers + support + 0.5).astype(np.int64), length)
    positions = first + np.arange(count)[:, None]  # [K, wanted]
    inside = positions < end
    weights = np.where(inside, kind.weights((positions - centers + 0.5) * (1.0 / stretch)), 0.0)
    totals = np.cumsum(weights, axis=0)[-1]  # in the order of the pixels
    weights = np.divide(weights, totals, out=weights, where=totals != 0) * (1 << _BITS)
    rounded = np.where(weights < 0, weights - 0.5, weights + 0.5).astype(np.int64)  # away from zero
    return np.minimum(positions, length - 1), rounded.astype(np.int32)
