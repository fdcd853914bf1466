"""Self-attention of tokens in which positions are added to queries and keys, never to values."""

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
        mask       bool [S, S], True where the token of the row sees that of the column, one at least; or None
        returns    [B, S, D], and the weights [B, M, S, S] where they were asked for
        """
        placed = tokens if positions is None else tokens + positions
        if self.query_and_key is not None:
            query, key = self.query_and_key(placed).chunk(2, dim=-1)
        else:
            query, key = self.query(placed), self.key(placed)
        value = self.value(tokens)
        query, key, value = self._by_head(query), self._by_head(key), self._by_head(value)  # [B, M, S, D / M]
        dropout = self.dropout if self.training else 0.0
        weights = None
        if with_weights:
            scores = query @ key.mT * query.shape[-1] ** -0.5
            weights = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -torch.inf), dim=-1)
            mixed = F.dropout(weights, dropout, self.training) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return output, weights

    def fold(self) -> None:
        """Make queries and keys one matrix product: they read the same tokens."""
        if self.query_and_key is None:
            self.query_and_key = joined(self.query, self.key)
            del self.query, self.key

    def _by_head(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def joined(*layers: nn.Linear) -> nn.Linear:
    """The one linear layer that gives the outputs of several, side by side."""
    like = layers[0].weight
    outputs = sum(layer.out_features for layer in layers)
    one = nn.Linear(layers[0].in_features, outputs, device="meta", dtype=like.dtype)
    one.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]), requires_grad=False)
    one.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]), requires_grad=False)
    return one
