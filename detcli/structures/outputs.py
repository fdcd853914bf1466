"""What a network says, and the ground truth."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Outputs:
    """The answer of a detection network to a batch.

    logits        float [B, Q, K]  before sigmoid; [B, Q, K + 1] before softmax, the last one for "nothing here"
    boxes_cxcywh  float [B, Q, 4]  center and size as fractions of the image's width and height; may leave 0 … 1
    details       the family's own record of everything between, when it was asked for, or given ground truth to learn from
    masks         float [B, Q, h, w]  before sigmoid, over the network's input with its padding, some pixels a cell;
                  None where the network has no mask head, or was told to leave it out
    """

    logits: Tensor
    boxes_cxcywh: Tensor
    details: object | None = None
    masks: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """The ground truth of one image, as a network learns it; on the network's device.

    class_ids     int64 [N]
    boxes_cxcywh  float32 [N, 4]  center and size as fractions of the network's input, without its padding
    seed          of every random number that training draws for this image, so that they are the same whatever its
                  company, and in a resumed run
    masks         bool [N, H, W] over the network's input without its padding; None where the data has none
    """

    class_ids: Tensor
    boxes_cxcywh: Tensor
    seed: int = 0
    masks: Tensor | None = None
