"""Multi-scale training: each batch has a random size."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_SMALLEST, _LARGEST = 0.75, 1.25  # of the base size


def scales(size_hw: tuple[int, int], repeat: int | None, divisor: int = 32) -> tuple[tuple[int, int], ...]:
    """The sizes that batches are drawn from; repeated sizes are more likely.

    size_hw  the base size; multiples of the divisor
    repeat   how often the base size is in the list; None: it is the only size
    divisor  difference between sizes

    For 640 these are 480, 512 … 608, `repeat` times 640, 800, 768 … 672: D-FINE's `generate_scales`. For a
    size that is not square, these are the longer sides; the shorter one is the nearest multiple with the same aspect.
    """
    if repeat is None:
        return (size_hw,)
    base = max(size_hw)
    smallest, largest = (int(base * bound / divisor) * divisor for bound in (_SMALLEST, _LARGEST))
    count = (base - smallest) // divisor
    longer = [smallest + divisor * step for step in range(count)]
    longer += [base] * repeat
    longer += [largest - divisor * step for step in range(count)]
    return tuple(_in_proportion(size_hw, side / base, divisor) for side in longer if side > 0) or (size_hw,)


def draw_size(sizes: tuple[tuple[int, int], ...], seed: int) -> tuple[int, int]:
    """Choose one of the sizes; seed: `derive_seed` of the run's seed, the epoch and the step."""
    return sizes[int(np.random.default_rng(seed).integers(len(sizes)))]


def resize_batch(pixels: "Tensor", size_hw: tuple[int, int]) -> "Tensor":
    """Resize a batch [B, 3, H, W] to the nearest pixel, as D-FINE trains; unchanged if it has the size."""
    from torch.nn.functional import interpolate

    return pixels if pixels.shape[-2:] == size_hw else interpolate(pixels, size=size_hw, mode="nearest")


def _in_proportion(size_hw: tuple[int, int], factor: float, divisor: int) -> tuple[int, int]:
    height, width = (max(divisor, round(side * factor / divisor) * divisor) for side in size_hw)
    return height, width
