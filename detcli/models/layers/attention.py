"""Self-attention and cross-attention, with positions added to queries and keys but not to values."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2.2) with positions as DETR adds them.

    dropout  dropout probability of the attention weights
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.query_and_key: nn.Linear | None = None  # both projections merged, after folding
        for projection in (self.query, self.key, self.value):
            # As for a single [3 D, D] matrix, which is how the paper's code initializes them.
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
        """Let every token attend to every token, or to those that the mask allows.

        tokens     [B, S, D]
        positions  [B, S, D] or [S, D], or None
        mask       bool [S, S] or [B, 1, 1, S], True where the token of the row attends to that of the column; at least one per row
        returns    [B, S, D], and the weights [B, M, S, S] if requested
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
        """Merge the projections of queries and keys, which read the same tokens."""
        if self.query_and_key is None:
            self.query_and_key = merged_linear(self.query, self.key)
            del self.query, self.key


class CrossAttention(nn.Module):
    """Multi-head attention of some tokens to others (Vaswani et al. 2017, section 3.2.2).

    dropout  dropout probability of the attention weights
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
        """Let every query attend to all keys, or to those that the mask allows.

        queries  [B, Q, D] with their positions
        keys     [B, S, D] with their positions
        values   [B, S, D] without
        mask     bool [B, 1, 1, S], True where a key is attended to, at least one; or None
        returns  [B, Q, D], and the weights [B, M, Q, S] if requested
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
    """Scaled dot-product attention.

    query      [B, Q, D], projected
    key, value [B, S, D], projected
    mask       bool, broadcastable to [B, M, Q, S]: True where a query attends to a key; or None
    dropout    dropout probability of the weights
    returns    [B, Q, D], and the weights [B, M, Q, S] before dropout if requested
    """
    query, key, value = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    weights = None
    if with_weights:
        scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5  # [B, M, Q, S]
        weights = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -torch.inf), dim=-1)
        mixed = F.dropout(weights, dropout, dropout > 0) @ value
    else:
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    return mixed.transpose(1, 2).flatten(2), weights


def merged_linear(*layers: nn.Linear) -> nn.Linear:
    """The linear layer that computes the concatenated outputs of several."""
    like = layers[0].weight
    outputs = sum(layer.out_features for layer in layers)
    merged = nn.Linear(layers[0].in_features, outputs, device="meta", dtype=like.dtype)
    merged.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]), requires_grad=False)
    merged.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]), requires_grad=False)
    return merged
