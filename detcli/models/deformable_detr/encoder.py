"""The encoder: deformable self-attention of the tokens of all levels, each around its own position."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.deformable_detr.config import NORM_GROUPS, DeformableDetrConfig
from detcli.models.layers.deformable_attention import DeformableAttention, ReferenceCells
from detcli.models.layers.feed_forward import FeedForward
from detcli.models.layers.graph_capture import is_captured
from detcli.models.layers.norm import GroupNorm

Shapes = tuple[tuple[int, int], ...]

# Tokens in a chunk of a layer on the CPU, without gradients: intermediate results then fit the processor's cache, and
# memory does not grow with the image. Any number from 512 to 8192 is as fast.
_ROWS = 2048


class DeformableLevelProjections(nn.Module):
    """Projects the backbone's maps to one width, and makes additional levels of half the size, the first from its last map.

    Source: Deformable DETR (Zhu et al. 2020), appendix A.2.
    """

    def __init__(self, config: DeformableDetrConfig, channels: Sequence[int]) -> None:
        super().__init__()
        width = config.d_model
        further = config.num_feature_levels - len(channels)
        inputs = [*channels, *([channels[-1], *[width] * (further - 1)] if further else [])]
        self.levels = nn.ModuleList(
            Projection(before, width, downsample=level >= len(channels)) for level, before in enumerate(inputs)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """One [B, C, H, W] for each of the backbone's maps -> one [B, D, H, W] for each level, finest first."""
        levels: list[Tensor] = []
        for level, projection in enumerate(self.levels):
            source = maps[level] if level < len(maps) else (maps[-1] if level == len(maps) else levels[-1])
            levels.append(projection(source))
        return levels


class Projection(nn.Module):
    """A convolution to the width of tokens and a group norm; it downsamples to make an additional level."""

    def __init__(self, inputs: int, width: int, *, downsample: bool) -> None:
        super().__init__()
        kernel, stride = (3, 2) if downsample else (1, 1)
        self.conv = nn.Conv2d(inputs, width, kernel, stride, padding=kernel // 2)
        self.norm = GroupNorm(NORM_GROUPS, width)
        nn.init.xavier_uniform_(self.conv.weight)
        nn.init.zeros_(cast("nn.Parameter", self.conv.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Take x [B, inputs, H, W] to [B, D, H', W']."""
        output: Tensor = self.norm(self.conv(x))
        return output


@dataclass(frozen=True, slots=True)
class DeformableEncoderOutput:
    """Results of the encoder.

    tokens      [B, S, D]
    states      [B, S, D] before the first layer and after each; empty unless requested
    attentions  [B, S, M, L, P] of each layer; empty unless requested
    """

    tokens: Tensor
    states: list[Tensor] = field(default_factory=list)
    attentions: list[Tensor] = field(default_factory=list)


class DeformableEncoder(nn.Module):
    """Layers of deformable self-attention (Zhu et al. 2020, section 4.2)."""

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self.heads, self.points = config.encoder_attention_heads, config.encoder_n_points
        self.layers = nn.ModuleList(DeformableEncoderLayer(config) for _ in range(config.encoder_layers))

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        references: Tensor,
        shapes_hw: Shapes,
        *,
        padding: Tensor | None = None,
        details: bool = False,
    ) -> DeformableEncoderOutput:
        """Encode the tokens.

        tokens      [B, S, D] of maps of these shapes, finest first
        positions   [B or 1, S, D]
        references  [B or 1, S, L, 2] reference point of each token, as fractions of each map with its padding
        padding     bool [B, S], True where a token is padding; None: no padding
        """
        output = DeformableEncoderOutput(tokens, [tokens] if details else [])
        cells = ReferenceCells.from_references(references, shapes_hw)
        chunked = not details and _use_chunks(tokens)
        if chunked:
            cells = cells.expanded(self.heads, self.points)
        for layer in cast("list[DeformableEncoderLayer]", [*self.layers]):
            if chunked:
                tokens = layer.in_chunks(tokens, positions, cells, shapes_hw, padding)
            else:
                tokens, weights = layer(tokens, positions, cells, shapes_hw, padding)
                if details:
                    output.states.append(tokens)
                    output.attentions.append(weights)
        return DeformableEncoderOutput(tokens, output.states, output.attentions)


class DeformableEncoderLayer(nn.Module):
    """Deformable attention and a feed-forward network, each with a residual connection and then a norm."""

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        width = config.d_model
        self.dropout = config.dropout
        self.attention = DeformableAttention(
            width, config.encoder_attention_heads, config.num_feature_levels, config.encoder_n_points
        )
        self.attention_norm = nn.LayerNorm(width)
        self.mlp = FeedForward(
            width,
            config.encoder_ffn_dim,
            config.activation_function,
            dropout=config.dropout,
            activation_dropout=config.activation_dropout,
        )

    def forward(
        self, tokens: Tensor, positions: Tensor, cells: ReferenceCells, shapes_hw: Shapes, padding: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Take the inputs of `DeformableEncoder.forward` and reference cells to tokens, and the weights [B, S, M, L, P]."""
        values = self.attention.values(tokens, padding)
        return self._attend(tokens, positions, cells, values, shapes_hw)

    def in_chunks(
        self, tokens: Tensor, positions: Tensor, cells: ReferenceCells, shapes_hw: Shapes, padding: Tensor | None
    ) -> Tensor:
        """The tokens of `forward`, computed in chunks: each row depends on others only through their values."""
        values = self.attention.values(tokens, padding)
        output: Tensor | None = None
        for image, rows in _chunks(*tokens.shape[:2]):
            those = slice(image, image + 1)
            own = positions[those if len(positions) > 1 else slice(None), rows]
            part, _ = self._attend(tokens[those, rows], own, cells.select(those, rows), values[those], shapes_hw)
            if output is None:
                output = part.new_empty(tokens.shape)  # autocast may change the type
            output[those, rows] = part
        if output is None:
            raise ValueError(f"`tokens` has shape {list(tokens.shape)}; it must not be empty")
        return output

    def _attend(
        self, tokens: Tensor, positions: Tensor, cells: ReferenceCells, values: Tensor, shapes_hw: Shapes
    ) -> tuple[Tensor, Tensor]:
        attended, weights = self.attention(tokens + positions, cells, values, shapes_hw)
        tokens = self.attention_norm(tokens + F.dropout(attended, self.dropout, self.training))
        return self.mlp(tokens), weights


def _use_chunks(tokens: Tensor) -> bool:
    """Whether to use chunks: they are faster on the CPU, but a compiler would unroll them."""
    return tokens.device.type == "cpu" and not torch.is_grad_enabled() and not is_captured()


def _chunks(batch: int, positions: int) -> Iterator[tuple[int, slice]]:
    for image in range(batch):
        for first in range(0, positions, _ROWS):
            yield image, slice(first, first + _ROWS)
