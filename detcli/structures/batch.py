"""Images as a network takes them."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Images of one size, or padded to one.

    pixels      float [B, 3, H, W], scaled and normalised as the checkpoint was trained; zeros where padded
    mask        bool [B, H, W], True where a pixel is real; None where every pixel is
    sizes_hw    int64 [B, 2]: height and width of each original image, for boxes in its own pixels; on the CPU
    resized_hw  int64 [B, 2]: height and width of each image within `pixels`, from the top left corner; on the CPU
    """

    pixels: Tensor
    mask: Tensor | None
    sizes_hw: Tensor
    resized_hw: Tensor
