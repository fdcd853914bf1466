"""Inputs and outputs of a detection network, and the ground truth that it learns from."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Images of one size, or padded to one size.

    pixels      float [B, 3, H, W], scaled and normalized as in the checkpoint's training; zeros in the padding
    mask        bool [B, H, W], True for pixels of the image, False for padding; None without padding
    sizes_hw    int64 [B, 2]: height and width of each original image, for boxes in its pixels; on the CPU
    resized_hw  int64 [B, 2]: height and width of each image within `pixels`, from the top left corner; on the CPU
    """

    pixels: Tensor
    mask: Tensor | None
    sizes_hw: Tensor
    resized_hw: Tensor


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a detection network for a batch.

    logits        float [B, Q, K]  before sigmoid; [B, Q, K + 1] before softmax, the last one for "no object"
    boxes_cxcywh  float [B, Q, 4]  center and size as fractions of the image's width and height; may be outside 0 … 1
    details       the family's own record of intermediate outputs, when it was requested or ground truth was given
    masks         float [B, Q, h, w]  before sigmoid, over the network's input with its padding, in cells of some pixels;
                  None where the network has no mask head, or the head is switched off
    box_std       float [B, Q, 4]  standard deviation of the left, top, right and bottom edge, as a fraction of the image's
                  width or height; None where it was not requested
    """

    logits: Tensor
    boxes_cxcywh: Tensor
    details: object | None = None
    masks: Tensor | None = None
    box_std: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """The ground truth of one image for training, on the network's device.

    class_ids     int64 [N]
    boxes_cxcywh  float32 [N, 4]  center and size as fractions of the network's input without its padding
    seed          of all random numbers that training draws for this image: they do not depend on the other images in the
                  batch, and are the same in a resumed run
    masks         bool [N, H, W] over the network's input without its padding; None where the data has none
    """

    class_ids: Tensor
    boxes_cxcywh: Tensor
    seed: int = 0
    masks: Tensor | None = None
