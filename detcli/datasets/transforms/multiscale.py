"""Batches of many sizes, so that a network learns to find things at all of them."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_SMALLEST, _LARGEST = 0.75, 1.25  # of the base size


def scales(size_hw: tuple[int, int], repeat: int | None, divisor: int = 32) -> tuple[tuple[int, int], ...]:
    """The sizes that batches are drawn from, each as likely as it is often.

    size_hw  the base size; multiples of the divisor
    repeat   how often the base stands among the others; None: it is the only one
    divisor  step from one size to the next

    For 640 these are 480, 512 … 608, `repeat` times 640, 800, 768 … 672: D-FINE's `generate_scales`. Of an image that is
    not square, the longer side takes these steps, and the shorter one is the nearest multiple in proportion.
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
    """One of the sizes; seed: `derive_seed` of the run's seed, the epoch and the step."""
    return sizes[int(np.random.default_rng(seed).integers(len(sizes)))]


def resize_batch(pixels: "Tensor", size_hw: tuple[int, int]) -> "Tensor":
    """A batch [B, 3, H, W] at another size, by the nearest pixel, as D-FINE trains; itself where it has it already."""
    from torch.nn.functional import interpolate

    return pixels if pixels.shape[-2:] == size_hw else interpolate(pixels, size=size_hw, mode="nearest")


def _in_proportion(size_hw: tuple[int, int], factor: float, divisor: int) -> tuple[int, int]:
    height, width = (max(divisor, round(side * factor / divisor) * divisor) for side in size_hw)
    return height, width
