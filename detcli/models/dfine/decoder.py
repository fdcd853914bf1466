"""The decoder: each layer attends to the feature maps and refines the distributions of box edges."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.dfine.box_distribution import EdgeBins, LocationQualityEstimator
from detcli.models.dfine.config import DFineConfig
from detcli.models.layers.attention import SelfAttention
from detcli.models.layers.deformable_attention import BoxSampling
from detcli.models.layers.heads import Mlp
from detcli.models.layers.position import inverse_sigmoid
from detcli.models.layers.query_selection import initialize_class_head
from detcli.models.layers.sampling import split_values

Shapes = tuple[tuple[int, int], ...]

_FLOAT16_MAX = 65504.0


@dataclass(frozen=True, slots=True)
class DFineDecoderOutput:
    """Results of the decoder: lists with one item per layer that ran, or per layer with predictions.

    states            [B, Q, D] after each layer that ran
    attentions        [B, M, Q, Q] of each; empty unless requested
    cross_attentions  [B, Q, M, P] of each; empty unless requested
    logits            [B, Q, K] of each layer with predictions; before those of layer 0, its logits without location quality
    boxes_cxcywh      [B, Q, 4] likewise; before those of layer 0, the initial boxes
    corners           [B, Q, 4 * R] of each layer with predictions
    initial_boxes     [B, Q, 4] the boxes whose edges all distributions move; one item
    box_std           [B, Q, 4] standard deviation of the edges of the last prediction; one item if it was requested
    """

    states: list[Tensor] = field(default_factory=list)
    attentions: list[Tensor] = field(default_factory=list)
    cross_attentions: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    boxes_cxcywh: list[Tensor] = field(default_factory=list)
    corners: list[Tensor] = field(default_factory=list)
    initial_boxes: list[Tensor] = field(default_factory=list)
    box_std: list[Tensor] = field(default_factory=list)


class DFineDecoder(nn.Module):
    """Fine-grained distribution refinement.

    In evaluation the layers up to `eval_idx` run, and the last of them predicts; in training all run and predict.
    Source: D-FINE (Peng et al. 2024), section 4.1. Layers after `eval_idx` may be wider; tokens, positions and values
    are then interpolated to their width, as in the authors' code.
    """

    def __init__(self, config: DFineConfig) -> None:
        super().__init__()
        width, bins = config.d_model, config.max_num_bins
        wide = range(config.eval_idx + 1, config.decoder_layers)
        widths = [config.scaled_dim if index in wide else width for index in range(config.decoder_layers)]
        ffn, wide_ffn = config.decoder_ffn_dim, round(config.layer_scale * config.decoder_ffn_dim)
        self.eval_idx = config.eval_idx
        self.with_box_std = False
        self.heads = config.decoder_attention_heads
        self.layers = nn.ModuleList(
            DFineDecoderLayer(config, own, ffn=wide_ffn if index in wide else ffn) for index, own in enumerate(widths)
        )
        activation = config.head_activation_function
        self.position_head = Mlp(4, 2 * width, width, 2, activation)
        self.initial_box_head = Mlp(width, width, 4, 3, activation)
        self.class_heads = nn.ModuleList(nn.Linear(own, len(config.labels)) for own in widths)
        self.corner_heads = nn.ModuleList(Mlp(own, own, 4 * (bins + 1), 3, activation) for own in widths)
        self.quality_heads = nn.ModuleList(
            LocationQualityEstimator(
                bins,
                top=config.top_prob_values,
                hidden=config.lqe_hidden_dim,
                layers=config.lqe_layers,
                activation=config.lqe_activation_function,
            )
            for _ in widths
        )
        self.bins = EdgeBins(bins, reg_scale=config.reg_scale, up=config.up)
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
    ) -> DFineDecoderOutput:
        """Predict boxes by refinement.

        queries     [B, Q, D]
        references  [B, Q, 4] logits of the first reference boxes, float32 at least; all boxes have this dtype
        tokens      [B, S, D] of maps of these shapes, finest first
        mask        bool [Q, Q], True where the query of the row attends to that of the column; None: all to all
        every_layer  all layers run and predict, as in training mode, for the losses
        """
        every_layer = every_layer or self.training
        boxes = references.sigmoid()
        values = split_values(tokens.to(boxes.dtype), shapes_hw, self.heads)
        output = DFineDecoderOutput()
        corners: Tensor | None = None
        last = len(self.layers) - 1 if every_layer else self.eval_idx
        for index, layer in enumerate(cast("list[DFineDecoderLayer]", [*self.layers[: last + 1]])):
            positions = _interpolated(self.position_head(boxes.to(queries.dtype)).clamp(-10, 10), layer.width)
            if queries.shape[-1] != layer.width:
                queries = _interpolated(queries, layer.width)
                values = split_values(_interpolated(tokens, layer.width).to(boxes.dtype), shapes_hw, self.heads)
            previous = queries.detach()
            queries, weights, cross_weights = layer(queries, positions, boxes, values, mask=mask, details=details)
            output.states.append(queries)
            if weights is not None:
                output.attentions.append(weights)
                output.cross_attentions.append(cross_weights)
            if corners is None:
                initial = torch.sigmoid(self.initial_box_head(queries).to(boxes.dtype) + inverse_sigmoid(boxes))
                output.initial_boxes.append(initial)
                corners = self.corner_heads[index](queries)
            else:
                corners = self.corner_heads[index](queries + previous) + corners
            refined = self.bins(corners, output.initial_boxes[0].detach())
            boxes = refined.detach()
            if every_layer or index == last:
                logits = self.class_heads[index](queries)
                if index == 0:
                    output.logits.append(logits)
                    output.boxes_cxcywh.append(output.initial_boxes[0])
                output.logits.append(logits + self.quality_heads[index](corners))
                output.boxes_cxcywh.append(refined)
                output.corners.append(corners)
        if self.with_box_std and corners is not None:
            output.box_std.append(self.bins.edge_std(corners, output.initial_boxes[0]))
        return output

    def drop_unused(self) -> None:
        """Remove what only training runs: layers after `eval_idx`, and heads of layers without predictions."""
        count = self.eval_idx + 1
        self.layers = self.layers[:count]
        self.corner_heads = self.corner_heads[:count]
        self.class_heads = _only_last(self.class_heads[:count])
        self.quality_heads = _only_last(self.quality_heads[:count])

    def _initialize(self, config: DFineConfig) -> None:
        for linear in self.position_head.linears:
            nn.init.xavier_uniform_(linear.weight)
        for class_head in self.class_heads:
            initialize_class_head(cast("nn.Linear", class_head), config.initializer_bias_prior_prob)
        for box_head in (self.initial_box_head, *self.corner_heads):
            nn.init.zeros_(cast("Mlp", box_head).linears[-1].weight)
            nn.init.zeros_(cast("Mlp", box_head).linears[-1].bias)


class DFineDecoderLayer(nn.Module):
    """Self-attention of queries, deformable attention to the maps with a gate, and a feed-forward network."""

    def __init__(self, config: DFineConfig, width: int, *, ffn: int) -> None:
        super().__init__()
        heads, eps = config.decoder_attention_heads, config.layer_norm_eps
        self.width = width
        self.dropout = config.dropout
        self.attention = SelfAttention(width, heads, config.attention_dropout)
        self.attention_norm = nn.LayerNorm(width, eps)
        self.sampling = BoxSampling(
            width,
            heads,
            config.decoder_n_points,
            offset_scale=config.decoder_offset_scale,
            method=config.decoder_method,
        )
        self.gate = Gate(width)
        self.mlp = Mlp(width, ffn, width, 2, config.decoder_activation_function)
        self.mlp_norm = nn.LayerNorm(width, eps)
        for linear in self.mlp.linears:
            nn.init.xavier_uniform_(linear.weight)

    def forward(
        self,
        queries: Tensor,
        positions: Tensor,
        boxes: Tensor,
        values: Sequence[Tensor],
        *,
        mask: Tensor | None = None,
        details: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Take queries and positions [B, Q, D] and boxes [B, Q, 4] to queries, and the weights of both attentions.

        mask  bool [Q, Q], True where the query of the row attends to that of the column; None: all to all
        """
        attended, weights = self.attention(queries, positions, mask=mask, with_weights=details)
        queries = self.attention_norm(queries + F.dropout(attended, self.dropout, self.training))
        sampled, cross_weights = self.sampling(queries + positions, boxes, values)
        queries = self.gate(queries, F.dropout(sampled, self.dropout, self.training))
        queries = queries + self.mlp(queries)
        return self.mlp_norm(queries.clamp(-_FLOAT16_MAX, _FLOAT16_MAX)), weights, cross_weights


class Gate(nn.Module):
    """Target gating layer: mixes a query's features with the sampled ones, in place of a residual connection.

    Its norm always has the default eps, whatever the configuration says.
    Source: D-FINE (Peng et al. 2024), section 4.3.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, 2 * width)
        self.norm = nn.LayerNorm(width)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, before: Tensor, sampled: Tensor) -> Tensor:
        """Both [B, Q, D] -> the same shape."""
        keep, take = torch.sigmoid(self.gate(torch.cat((before, sampled), dim=-1))).chunk(2, dim=-1)
        output: Tensor = self.norm(keep * before + take * sampled)
        return output


def _interpolated(x: Tensor, width: int) -> Tensor:
    """Interpolate x [B, N, D] to another width by repeating features, unless it has that width."""
    return x if x.shape[-1] == width else F.interpolate(x, size=width)


def _only_last(modules: nn.ModuleList) -> nn.ModuleList:
    return nn.ModuleList([*(nn.Identity() for _ in modules[:-1]), modules[-1]])
