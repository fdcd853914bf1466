"""Attention among tokens, and of tokens to others, in which positions go to queries and keys, never to values."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2.2) with positions as DETR adds them.

    dropout  probability with which a weight is dropped in training
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.query_and_key: nn.Linear | None = None  # the two as one product, once folded
        for projection in (self.query, self.key, self.value):
            # As if the three were one [3 D, D] matrix, which is how the paper's code draws them.
            nn.init.xavier_uniform_(projection.weight, gain=2**-0.5)
            nn.init.zeros_(projection.bias)
        nn.init.zeros_(self.output.bias)

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor | None,
        *,
        mask: Tensor | None = None,
        with_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Let every token look at every token, or at those a mask lets it see.

        tokens     [B, S, D]
        positions  [B, S, D] or [S, D], or None
        mask       bool [S, S] or [B, 1, 1, S], True where the token of the row sees that of the column, one at least
        returns    [B, S, D], and the weights [B, M, S, S] where they were asked for
        """
        with_positions = tokens if positions is None else tokens + positions
        if self.query_and_key is not None:
            query, key = self.query_and_key(with_positions).chunk(2, dim=-1)
        else:
            query, key = self.query(with_positions), self.key(with_positions)
        dropout = self.dropout if self.training else 0.0
        mixed, weights = attend(
            query, key, self.value(tokens), heads=self.heads, mask=mask, dropout=dropout, with_weights=with_weights
        )
        output: Tensor = self.output(mixed)
        return output, weights

    def fold(self) -> None:
        """Make queries and keys one matrix product: they read the same tokens."""
        if self.query_and_key is None:
            self.query_and_key = merged_linear(self.query, self.key)
            del self.query, self.key


class CrossAttention(nn.Module):
    """Multi-head attention of some tokens to others (Vaswani et al. 2017, section 3.2.2).

    dropout  probability with which a weight is dropped in training
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        for projection in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(projection.weight, gain=2**-0.5)  # see SelfAttention
            nn.init.zeros_(projection.bias)
        nn.init.zeros_(self.output.bias)

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        *,
        mask: Tensor | None = None,
        with_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Let every token look at all others, or at those a mask lets it see.

        queries  [B, Q, D] with their positions
        keys     [B, S, D] with their positions
        values   [B, S, D] without
        mask     bool [B, 1, 1, S], True where a token may be seen, one at least; or None
        returns  [B, Q, D], and the weights [B, M, Q, S] where they were asked for
        """
        mixed, weights = attend(
            self.query(queries),
            self.key(keys),
            self.value(values),
            heads=self.heads,
            mask=mask,
            dropout=self.dropout if self.training else 0.0,
            with_weights=with_weights,
        )
        output: Tensor = self.output(mixed)
        return output, weights


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    heads: int,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    with_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Mix values by how well queries and keys agree.

    query      [B, Q, D], projected
    key, value [B, S, D], projected
    mask       bool, one that goes with [B, M, Q, S]: True where a query sees a key; or None
    dropout    probability with which a weight is dropped
    returns    [B, Q, D], and the weights [B, M, Q, S], before any are dropped, where they were asked for
    """
    query, key, value = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    weights = None
    if with_weights:
        scores = query @ key.mT * query.shape[-1] ** -0.5  # [B, M, Q, S]
        weights = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -torch.inf), dim=-1)
        mixed = F.dropout(weights, dropout, dropout > 0) @ value
    else:
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    return mixed.transpose(1, 2).flatten(2), weights


def merged_linear(*layers: nn.Linear) -> nn.Linear:
    """The one linear layer that gives the outputs of several, side by side."""
    like = layers[0].weight
    outputs = sum(layer.out_features for layer in layers)
    merged = nn.Linear(layers[0].in_features, outputs, device="meta", dtype=like.dtype)
    merged.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]), requires_grad=False)
    merged.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]), requires_grad=False)
    return merged
