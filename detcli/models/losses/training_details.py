"""The predictions that DETR and Deformable DETR pass to their criterion: of every decoder layer, and of the encoder."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class SetTrainingDetails:
    """Details of outputs in training, if the network is called with targets.

    logits                [A, B, Q, K] of the A decoder layers, the last one the network's prediction, before sigmoid;
                          [A, B, Q, K + 1] before softmax
    boxes_cxcywh          [A, B, Q, 4] likewise, as fractions of the image without its padding
    masks                 [B, Q, h, w] of the last layer, before sigmoid, over the network's input with its padding;
                          None for a network without a mask head
    encoder_logits        [B, S, K] of the encoder's proposals, one for each token; None where queries are learned
    encoder_boxes_cxcywh  [B, S, 4] likewise
    mask                  bool [B, H, W], True where the network's input is image; None without padding
    """

    logits: Tensor
    boxes_cxcywh: Tensor
    masks: Tensor | None = None
    encoder_logits: Tensor | None = None
    encoder_boxes_cxcywh: Tensor | None = None
    mask: Tensor | None = None
