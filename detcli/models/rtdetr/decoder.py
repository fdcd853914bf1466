"""The decoder: each layer attends to the feature maps around its boxes, and refines the boxes."""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.attention import SelfAttention
from detcli.models.layers.deformable_attention import BoxSampling
from detcli.models.layers.heads import Mlp
from detcli.models.layers.position import inverse_sigmoid
from detcli.models.layers.query_selection import Shapes, initialize_class_head
from detcli.models.layers.sampling import split_values
from detcli.models.rtdetr.config import RtDetrConfig


@dataclass(frozen=True, slots=True)
class RtDetrDecoderOutput:
    """Results of the decoder: lists with one item per layer; logits and boxes only of layers with predictions.

    states            [B, Q, D]
    attentions        [B, M, Q, Q]; empty unless requested
    cross_attentions  [B, Q, M, P] over the points of all levels; empty unless requested
    logits            [B, Q, K]
    boxes_cxcywh      [B, Q, 4]
    """

    states: list[Tensor] = field(default_factory=list)
    attentions: list[Tensor] = field(default_factory=list)
    cross_attentions: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    boxes_cxcywh: list[Tensor] = field(default_factory=list)


class RtDetrDecoder(nn.Module):
    """Decoder layers with box refinement, and heads that predict classes and boxes.

    Source: RT-DETR (Zhao et al. 2023), section 4.1; RT-DETRv2 (Lv et al. 2024), section 3.1.
    """

    def __init__(self, config: RtDetrConfig) -> None:
        super().__init__()
        width, count = config.d_model, config.decoder_layers
        self.heads = config.decoder_attention_heads
        self.layers = nn.ModuleList(RtDetrDecoderLayer(config) for _ in range(count))
        self.position_head = Mlp(4, 2 * width, width, 2)
        self.class_heads = nn.ModuleList(nn.Linear(width, len(config.labels)) for _ in range(count))
        self.box_heads = nn.ModuleList(Mlp(width, width, 4, 3) for _ in range(count))
        self._initialize(config)

    def forward(
        self,
        queries: Tensor,
        references: Tensor,
        tokens: Tensor,
        shapes_hw: Shapes,
        *,
        mask: Tensor | None = None,
        details: bool = False,
        every_layer: bool = False,
    ) -> RtDetrDecoderOutput:
        """Predict boxes by refinement. In evaluation only the last layer predicts classes, unless details are requested.

        queries      [B, Q, D]
        references   [B, Q, 4] logits of the first reference boxes, float32 at least; all boxes have this dtype
        tokens       [B, S, D] of maps of these shapes, finest first
        mask         bool [Q, Q], True where the query of the row attends to that of the column; None: all to all
        every_layer  all layers predict, as in training mode, for the losses

        In training the gradients of a layer's boxes also reach the boxes of the layer before, as in the authors' code: look
        forward twice (DINO, Zhang et al. 2022, section 3.5).
        """
        every_layer = every_layer or self.training or details
        boxes = references.sigmoid()
        before: Tensor | None = None  # the same boxes with the gradients of the layer before
        output = RtDetrDecoderOutput()
        for index, layer in enumerate(cast("list[RtDetrDecoderLayer]", [*self.layers])):
            positions = self.position_head(boxes.to(queries.dtype))
            queries, weights, cross = layer(queries, positions, boxes, tokens, shapes_hw, mask=mask, details=details)
            output.states.append(queries)
            if weights is not None:
                output.attentions.append(weights)
                output.cross_attentions.append(cross)
            change = self.box_heads[index](queries).to(boxes.dtype)
            refined = torch.sigmoid(change + inverse_sigmoid(boxes))
            if every_layer or index + 1 == len(self.layers):
                output.logits.append(self.class_heads[index](queries))
                again = refined if before is None else torch.sigmoid(change + inverse_sigmoid(before))
                output.boxes_cxcywh.append(again)
            before = refined if refined.requires_grad else None
            boxes = refined.detach()
        return output

    def keep_layers(self, count: int) -> None:
        """Remove the layers after the first `count`, with their heads."""
        self.layers, self.class_heads = self.layers[:count], self.class_heads[:count]
        self.box_heads = self.box_heads[:count]

    def _initialize(self, config: RtDetrConfig) -> None:
        for linear in self.position_head.linears:
            nn.init.xavier_uniform_(linear.weight)
        for head in self.class_heads:
            initialize_class_head(cast("nn.Linear", head), config.initializer_bias_prior_prob)
        for box_head in self.box_heads:
            last = cast("Mlp", box_head).linears[-1]
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)


class ProjectedBoxSampling(nn.Module):
    """Deformable attention around boxes with value and output projections.

    Source: Deformable DETR (Zhu et al. 2020), section 4.1; RT-DETRv2 (Lv et al. 2024), section 3.1, for points that differ
    by level and for sampling of the nearest cell.
    """

    def __init__(self, config: RtDetrConfig) -> None:
        super().__init__()
        width = config.d_model
        self.heads = config.decoder_attention_heads
        self.points = BoxSampling(
            width,
            self.heads,
            config.decoder_n_points,
            offset_scale=config.decoder_offset_scale,
            method=config.decoder_method,
        )
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        for projection in (self.value, self.output):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, queries: Tensor, boxes: Tensor, tokens: Tensor, shapes_hw: Shapes) -> tuple[Tensor, Tensor]:
        """Take queries [B, Q, D], boxes [B, Q, 4] and tokens [B, S, D] to [B, Q, D], and the weights [B, Q, M, P]."""
        values = split_values(self.value(tokens).to(boxes.dtype), shapes_hw, self.heads)
        sampled, weights = self.points(queries, boxes, values)
        output: Tensor = self.output(sampled)
        return output, weights


class RtDetrDecoderLayer(nn.Module):
    """Self-attention of queries, deformable attention to the maps, a feed-forward network; a norm after each."""

    def __init__(self, config: RtDetrConfig) -> None:
        super().__init__()
        width, eps = config.d_model, config.layer_norm_eps
        self.dropout = config.dropout
        self.attention = SelfAttention(width, config.decoder_attention_heads, config.attention_dropout)
        self.attention_norm = nn.LayerNorm(width, eps)
        self.sampling = ProjectedBoxSampling(config)
        self.sampling_norm = nn.LayerNorm(width, eps)
        self.mlp = Mlp(
            width,
            config.decoder_ffn_dim,
            width,
            2,
            config.decoder_activation_function,
            dropout=config.activation_dropout,
        )
        self.mlp_norm = nn.LayerNorm(width, eps)
        for linear in self.mlp.linears:
            nn.init.xavier_uniform_(linear.weight)

    def forward(
        self,
        queries: Tensor,
        positions: Tensor,
        boxes: Tensor,
        tokens: Tensor,
        shapes_hw: Shapes,
        *,
        mask: Tensor | None = None,
        details: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Take queries and positions [B, Q, D] and boxes [B, Q, 4] to queries, and the weights of both attentions.

        mask  bool [Q, Q], True where the query of the row attends to that of the column; None: all to all
        """
        attended, weights = self.attention(queries, positions, mask=mask, with_weights=details)
        queries = self.attention_norm(queries + self._dropped(attended))
        sampled, cross = self.sampling(queries + positions, boxes, tokens, shapes_hw)
        queries = self.sampling_norm(queries + self._dropped(sampled))
        return self.mlp_norm(queries + self._dropped(self.mlp(queries))), weights, cross

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)
