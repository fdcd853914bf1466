"""Checks of what a network is called with."""

from collections.abc import Sequence

from torch import Tensor

from detcli.structures.network_io import Targets


def check_pixels(pixels: Tensor, *, divisor_hw: tuple[int, int] = (1, 1)) -> None:
    """Raise ValueError for pixels that are not [B, 3, H, W], with H and W multiples of the divisors."""
    down, across = divisor_hw
    if pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.shape[2] % down or pixels.shape[3] % across:
        sides = "H, W" if divisor_hw == (1, 1) else f"multiple of {down}, multiple of {across}"
        raise ValueError(f"`pixels` has shape {list(pixels.shape)}; it must be [B, 3, {sides}]")


def check_mask(mask: Tensor | None, pixels: Tensor) -> None:
    """Raise ValueError for a mask that is not [B, H, W] of the pixels."""
    if mask is not None and mask.shape != pixels[:, 0].shape:
        raise ValueError(f"`mask` has shape {list(mask.shape)}; it must fit `pixels` of shape {list(pixels.shape)}")


def check_targets(targets: Sequence[Targets] | None, pixels: Tensor) -> None:
    """Raise ValueError for targets that are not one for each image."""
    if targets is not None and len(targets) != len(pixels):
        raise ValueError(f"{len(targets)} targets for {len(pixels)} images; there must be one for each")
