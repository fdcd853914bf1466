"""DETR's transformer: the encoder over the cells of one map, and the decoder over object queries."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detcli.models.detr.config import DetrConfig
from detcli.models.layers.attention import CrossAttention, SelfAttention
from detcli.models.layers.feed_forward import FeedForward


@dataclass(frozen=True, slots=True)
class DetrEncoderOutput:
    """Results of the encoder.

    tokens      [B, S, D], after the norm that follows the last layer, if the network has it
    states      [B, S, D] before the first layer and after each, without that norm, if requested
    attentions  [B, M, S, S] of each layer, likewise
    """

    tokens: Tensor
    states: tuple[Tensor, ...]
    attentions: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class DetrDecoderOutput:
    """Results of the decoder.

    normed            [B, Q, D] of the last layer, or of every layer, after the norm that all layers share
    states            [B, Q, D] before the first layer and after each, without the norm, if requested
    attentions        [B, M, Q, Q] of each layer, likewise
    cross_attentions  [B, M, Q, S] of each layer, likewise
    """

    normed: tuple[Tensor, ...]
    states: tuple[Tensor, ...]
    attentions: tuple[Tensor, ...]
    cross_attentions: tuple[Tensor, ...]


class DetrEncoder(nn.Module):
    """Layers of self-attention over all cells of the map; with norms before each part, one more norm after the last."""

    def __init__(self, config: DetrConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DetrEncoderLayer(config) for _ in range(config.encoder_layers))
        self.norm: nn.Module = nn.LayerNorm(config.d_model) if config.pre_norm else nn.Identity()

    def forward(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None, *, details: bool = False
    ) -> DetrEncoderOutput:
        """Encode tokens [B, S, D] at positions [B or 1, S, D]; mask bool [B, 1, 1, S], True where a token is image."""
        states, attentions = [tokens], []
        for layer in self.layers:
            tokens, weights = layer(tokens, positions, mask, details=details)
            if details:
                states.append(tokens)
                attentions.append(weights)
        return DetrEncoderOutput(self.norm(tokens), tuple(states) if details else (), tuple(attentions))


class DetrEncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual connection and then a norm, or with the norm first."""

    def __init__(self, config: DetrConfig) -> None:
        super().__init__()
        width = config.d_model
        self.pre_norm = config.pre_norm
        self.attention = SelfAttention(width, config.encoder_attention_heads, config.attention_dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = _feed_forward(config, config.encoder_ffn_dim)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.xavier_uniform_(self.attention.output.weight)

    def forward(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None, *, details: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Take tokens [B, S, D] to the same, and the attention weights if requested."""
        inputs = self.attention_norm(tokens) if self.pre_norm else tokens
        attended, weights = self.attention(inputs, positions, mask=mask, with_weights=details)
        tokens = tokens + self.dropout(attended)
        return self.feed_forward(tokens if self.pre_norm else self.attention_norm(tokens)), weights


class DetrDecoder(nn.Module):
    """Layers of self-attention of queries and cross-attention to the image; one norm for the outputs of all layers."""

    def __init__(self, config: DetrConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DetrDecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.d_model)

    def forward(
        self,
        positions: Tensor,
        memory: Tensor,
        keys: Tensor,
        mask: Tensor | None,
        *,
        every_layer: bool = False,
        details: bool = False,
    ) -> DetrDecoderOutput:
        """Decode queries, which are zeros at first and differ only by their positions.

        positions      [1, Q, D] of the queries
        memory         [B, S, D] the encoder's tokens
        keys           [B, S, D] the same with their positions
        mask           bool [B, 1, 1, S], True where a token is image; None where all are
        every_layer    return the outputs of every layer, not only of the last
        """
        queries = memory.new_zeros(()).expand(memory.shape[0], *positions.shape[1:])
        states, outputs, attentions, cross_attentions = [queries], [], [], []
        for layer in self.layers:
            queries, weights, cross_weights = layer(queries, positions, memory, keys, mask, details=details)
            if every_layer:
                outputs.append(queries)
            if details:
                states.append(queries)
                attentions.append(weights)
                cross_attentions.append(cross_weights)
        # The next layer reads outputs without the norm, as in the original; with auxiliary_loss, transformers differs.
        normed = tuple(self.norm(output) for output in (outputs or [queries]))
        return DetrDecoderOutput(normed, tuple(states) if details else (), tuple(attentions), tuple(cross_attentions))


class DetrDecoderLayer(nn.Module):
    """Self-attention, cross-attention to the image and a feed-forward network, each with a residual connection and a norm."""

    def __init__(self, config: DetrConfig) -> None:
        super().__init__()
        self.pre_norm = config.pre_norm
        width, heads, dropout = config.d_model, config.decoder_attention_heads, config.attention_dropout
        self.attention = SelfAttention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.cross_attention = CrossAttention(width, heads, dropout)
        self.cross_attention_norm = nn.LayerNorm(width)
        self.feed_forward = _feed_forward(config, config.decoder_ffn_dim)
        self.dropout = nn.Dropout(config.dropout)
        for attention in (self.attention, self.cross_attention):
            nn.init.xavier_uniform_(attention.output.weight)

    def forward(
        self,
        queries: Tensor,
        positions: Tensor,
        memory: Tensor,
        keys: Tensor,
        mask: Tensor | None,
        *,
        details: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Take queries [B, Q, D] to the same, and the weights of both attentions if requested."""
        inputs = self.attention_norm(queries) if self.pre_norm else queries
        attended, weights = self.attention(inputs, positions, with_weights=details)
        queries = queries + self.dropout(attended)
        if self.pre_norm:
            inputs = self.cross_attention_norm(queries)
        else:
            inputs = queries = self.attention_norm(queries)
        attended, cross_weights = self.cross_attention(
            inputs + positions, keys, memory, mask=mask, with_weights=details
        )
        queries = queries + self.dropout(attended)
        return (
            self.feed_forward(queries if self.pre_norm else self.cross_attention_norm(queries)),
            weights,
            cross_weights,
        )


def _feed_forward(config: DetrConfig, hidden: int) -> FeedForward:
    return FeedForward(
        config.d_model,
        hidden,
        config.activation_function,
        pre_norm=config.pre_norm,
        dropout=config.dropout,
        activation_dropout=config.activation_dropout,
    )


def real_cells(mask: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Cells of a map that are image, by their upper left pixel. bool [B, H, W] -> [B, *size_hw]."""
    return nn.functional.interpolate(mask[:, None].float(), size=size_hw, mode="nearest")[:, 0].to(torch.bool)
