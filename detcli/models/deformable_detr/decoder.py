"""The decoder: self-attention of queries, then deformable attention around their reference points."""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.decoder_queries import DecoderQueries, make_box_head, make_class_head
from detcli.models.deformable_detr.encoder import Shapes
from detcli.models.layers.attention import SelfAttention
from detcli.models.layers.deformable_attention import DeformableAttention, ReferenceCells
from detcli.models.layers.feed_forward import FeedForward
from detcli.models.layers.position import inverse_sigmoid


@dataclass(frozen=True, slots=True)
class DeformableDecoderOutput:
    """Results of the decoder, one item per layer; logits and boxes only of layers with predictions.

    states            [B, Q, D]
    references        [B, Q, 2 or 4] reference points for the next layer
    logits            [B, Q, K]
    boxes_cxcywh      [B, Q, 4]
    attentions        [B, M, Q, Q]; empty unless requested
    cross_attentions  [B, Q, M, L, P]; empty unless requested
    """

    states: list[Tensor] = field(default_factory=list)
    references: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    boxes_cxcywh: list[Tensor] = field(default_factory=list)
    attentions: list[Tensor] = field(default_factory=list)
    cross_attentions: list[Tensor] = field(default_factory=list)


class DeformableDecoder(nn.Module):
    """Decoder layers, and heads that predict classes and boxes.

    With box refinement each layer has its own heads, and its reference points are the boxes of the layer before.
    Otherwise all layers share one pair of heads and the same reference points.
    Source: Deformable DETR (Zhu et al. 2020), section 4.2 and appendix A.4.
    """

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        width, count = config.d_model, config.decoder_layers
        self.refine = config.with_box_refine
        self.layers = nn.ModuleList(DeformableDecoderLayer(config) for _ in range(count))
        heads = count if self.refine else 1
        self.class_heads = nn.ModuleList(make_class_head(width, len(config.labels)) for _ in range(heads))
        # The first boxes are small (size logits of -2), unless they are proposals or refined boxes.
        self.box_heads = nn.ModuleList(
            make_box_head(width, size=0.0 if config.two_stage or layer else -2.0) for layer in range(heads)
        )

    def forward(
        self,
        initial: DecoderQueries,
        tokens: Tensor,
        ratios: Tensor | None,
        shapes_hw: Shapes,
        *,
        padding: Tensor | None = None,
        details: bool = False,
        every_layer: bool = False,
    ) -> DeformableDecoderOutput:
        """Predict boxes. In evaluation only the last layer predicts, unless details or every layer are requested.

        tokens   [B, S, D] of maps of these shapes
        ratios   [B, L, 2] fraction of each map's width and height that is image; None: all
        padding  bool [B, S], True where a token is padding; None: no padding
        """
        states, references, positions = initial.queries, initial.references, initial.positions
        cells: ReferenceCells | None = None
        output = DeformableDecoderOutput()
        for index, layer in enumerate(cast("list[DeformableDecoderLayer]", [*self.layers])):
            predicts = self.training or details or every_layer or index + 1 == len(self.layers)
            if cells is None or self.refine:
                cells = ReferenceCells.from_references(_on_levels(references, ratios, len(shapes_hw)), shapes_hw)
            states, weights, cross = layer(states, positions, cells, tokens, shapes_hw, padding, details=details)
            output.states.append(states)
            if weights is not None:
                output.attentions.append(weights)
                output.cross_attentions.append(cross)
            head = index if self.refine else 0
            if self.refine or predicts:
                boxes = refined_boxes(references, self.box_heads[head](states))
            if predicts:
                output.logits.append(self.class_heads[head](states))
                output.boxes_cxcywh.append(boxes)
            if self.refine:
                references = boxes.detach()
            output.references.append(references)
        return output

    def keep_layers(self, count: int) -> None:
        """Remove the layers after the first `count`, with their heads."""
        self.layers = self.layers[:count]
        if self.refine:
            self.class_heads, self.box_heads = self.class_heads[:count], self.box_heads[:count]


class DeformableDecoderLayer(nn.Module):
    """Self-attention of queries, deformable attention to the maps, a feed-forward network; a norm after each."""

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        width, heads = config.d_model, config.decoder_attention_heads
        self.dropout = config.dropout
        self.attention = SelfAttention(width, heads, config.attention_dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.cross_attention = DeformableAttention(width, heads, config.num_feature_levels, config.decoder_n_points)
        self.cross_attention_norm = nn.LayerNorm(width)
        self.mlp = FeedForward(
            width,
            config.decoder_ffn_dim,
            config.activation_function,
            dropout=config.dropout,
            activation_dropout=config.activation_dropout,
        )

    def forward(
        self,
        queries: Tensor,
        positions: Tensor,
        cells: ReferenceCells,
        tokens: Tensor,
        shapes_hw: Shapes,
        padding: Tensor | None,
        *,
        details: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Take queries and positions [B, Q, D] and reference cells to queries, and the weights of both attentions."""
        attended, weights = self.attention(queries, positions, with_weights=details)
        queries = self.attention_norm(queries + F.dropout(attended, self.dropout, self.training))
        values = self.cross_attention.values(tokens, padding)
        attended, cross = self.cross_attention(queries + positions, cells, values, shapes_hw)
        queries = self.cross_attention_norm(queries + F.dropout(attended, self.dropout, self.training))
        return self.mlp(queries), weights, cross


def refined_boxes(references: Tensor, change: Tensor) -> Tensor:
    """Boxes [B, Q, 4] as fractions: a head's output [B, Q, 4], added to the logits of reference points or boxes."""
    change = change.to(references.dtype)
    logits = inverse_sigmoid(references)
    if references.shape[-1] == 2:
        logits = F.pad(logits, (0, 2))
    return torch.sigmoid(change + logits)


def _on_levels(references: Tensor, ratios: Tensor | None, levels: int) -> Tensor:
    """Reference points [B, Q, 2 or 4] in the image -> [B, Q, L, 2 or 4] in each map with its padding."""
    if ratios is None:
        return references[:, :, None].expand(-1, -1, levels, -1)
    return references[:, :, None] * ratios.repeat(1, 1, references.shape[-1] // 2)[:, None]
