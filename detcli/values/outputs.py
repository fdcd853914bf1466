"""What a network says."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Outputs:
    """The answer of a detection network to a batch.

    logits        float [B, Q, K]  before sigmoid or softmax
    boxes_cxcywh  float [B, Q, 4]  centre and size as fractions of the picture's width and height; may leave 0 … 1
    details       the family's own record of everything between, when it was asked for
    """

    logits: Tensor
    boxes_cxcywh: Tensor
    details: object | None = None
