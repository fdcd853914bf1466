"""Inputs and outputs of runtimes that take numpy arrays, without torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class ArrayBatch:
    """Images of one size, for a runtime without torch.

    pixels      uint8 [B, H, W, 3] RGB, resized; the runtime scales and normalizes
    sizes_hw    int64 [B, 2]: height and width of each original image, for boxes in its pixels
    resized_hw  int64 [B, 2]: height and width of each image within `pixels`, from the top left corner
    """

    pixels: npt.NDArray[np.uint8]
    sizes_hw: npt.NDArray[np.int64]
    resized_hw: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ArrayOutputs:
    """The outputs of a network for a batch, as arrays.

    logits        float32 [B, Q, K]  before sigmoid; [B, Q, K + 1] before softmax, the last one for "no object"
    boxes_cxcywh  float32 [B, Q, 4]  center and size as fractions of the image's width and height
    masks         float32 [B, Q, h, w]  before sigmoid; None without a mask head
    box_std       float32 [B, Q, 4]  standard deviation of each edge, as `Outputs.box_std`; None where it is unknown
    """

    logits: npt.NDArray[np.float32]
    boxes_cxcywh: npt.NDArray[np.float32]
    masks: npt.NDArray[np.float32] | None = None
    box_std: npt.NDArray[np.float32] | None = None
