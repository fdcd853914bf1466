"""What DETR and the families after it hand to their criterion: the answers of every decoder layer, and of the encoder."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class SetTrainingDetails:
    """The details of outputs in training, where the network was given targets.

    logits                [A, B, Q, K] of the A decoder layers, the last one the network's answer, before sigmoid;
                          [A, B, Q, K + 1] before softmax
    boxes_cxcywh          [A, B, Q, 4] of the same, as fractions of the image without its padding
    masks                 [B, Q, h, w] of the last layer, before sigmoid, over the network's input with its padding;
                          None of a network without a mask head
    encoder_logits        [B, S, K] of every position of the encoder, which proposes what the decoder begins with; None
                          where queries are learned
    encoder_boxes_cxcywh  [B, S, 4] of the same; None likewise
    mask                  bool [B, H, W], True where the network's input is image; None where nothing was padded
    """

    logits: Tensor
    boxes_cxcywh: Tensor
    masks: Tensor | None = None
    encoder_logits: Tensor | None = None
    encoder_boxes_cxcywh: Tensor | None = None
    mask: Tensor | None = None
