"""Transformer layers inside one feature map: attention-based intra-scale feature interaction (AIFI)."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.attention import SelfAttention
from detcli.models.layers.graph_capture import size_of_maps
from detcli.models.layers.heads import Mlp
from detcli.models.layers.position import sine_grid


@dataclass(frozen=True, slots=True, kw_only=True)
class IntraScaleSizes:
    """Sizes and options of the layers.

    width, hidden       of a token, and inside the feed-forward network
    temperature         of the positions
    activation          of the feed-forward network
    norm_first          norms before attention and feed-forward network, not after
    dropout             of the attention and its weights
    mlp_dropout         of the feed-forward network's output
    activation_dropout  inside the feed-forward network
    """

    width: int
    hidden: int
    heads: int
    layers: int
    temperature: float
    activation: str
    norm_first: bool
    eps: float
    dropout: float
    mlp_dropout: float = 0.0
    activation_dropout: float = 0.0


class IntraScaleEncoder(nn.Module):
    """Transformer layers over the cells of one map.

    Source: RT-DETR (Zhao et al. 2023), section 4.2.
    """

    def __init__(self, sizes: IntraScaleSizes) -> None:
        super().__init__()
        self.width = sizes.width
        self.temperature = sizes.temperature
        self.layers = nn.ModuleList(IntraScaleLayer(sizes) for _ in range(sizes.layers))

    def forward(self, x: Tensor, *, details: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Take x [B, D, H, W] to the same shape, and each layer's weights [B, M, S, S] if requested."""
        height, width = size_of_maps(x)
        # Not `flatten(2).transpose(-2, -1)`: for one image its gradient has strides that batch norm of torch 2.13 misreads on CPUs.
        tokens = x.permute(0, 2, 3, 1).flatten(1, 2)  # [B, H * W, D]
        grid = sine_grid(
            height,
            width,
            channels=self.width,
            temperature=self.temperature,
            device=x.device,
            dtype=x.dtype,
        )
        attentions = []
        for layer in self.layers:
            tokens, weights = layer(tokens, grid, details=details)
            if weights is not None:
                attentions.append(weights)
        return tokens.transpose(-2, -1).view(*x.shape), attentions


class IntraScaleLayer(nn.Module):
    """Self-attention, then a feed-forward network; norms after each, or before each."""

    def __init__(self, sizes: IntraScaleSizes) -> None:
        super().__init__()
        width = sizes.width
        self.norm_first = sizes.norm_first
        self.attention = SelfAttention(width, sizes.heads, sizes.dropout)
        self.attention_norm = nn.LayerNorm(width, sizes.eps)
        self.mlp = Mlp(width, sizes.hidden, width, 2, sizes.activation, dropout=sizes.activation_dropout)
        self.mlp_norm = nn.LayerNorm(width, sizes.eps)
        self.dropout, self.mlp_dropout = sizes.dropout, sizes.mlp_dropout

    def forward(self, tokens: Tensor, grid: Tensor, *, details: bool = False) -> tuple[Tensor, Tensor | None]:
        """Take tokens [B, S, D], grid [S, D] to [B, S, D], and the weights if requested.

        With norms before, the feed-forward network's residual is the normalized input, as in transformers.
        """
        read = self.attention_norm(tokens) if self.norm_first else tokens
        attended, weights = self.attention(read, grid, with_weights=details)
        tokens = tokens + F.dropout(attended, self.dropout, self.training)
        if self.norm_first:
            tokens = self.mlp_norm(tokens)
            return tokens + self._passed(tokens), weights
        tokens = self.attention_norm(tokens)
        return self.mlp_norm(tokens + self._passed(tokens)), weights

    def _passed(self, tokens: Tensor) -> Tensor:
        """The feed-forward network's output, with dropout."""
        return F.dropout(self.mlp(tokens), self.mlp_dropout, self.training)
