"""The feed-forward network of a transformer layer, with residual connection and norm."""

from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.activations import make_activation
from detcli.models.layers.norm import work_in_place


class FeedForward(nn.Module):
    """Two linear layers, their input added, and a norm (Vaswani et al. 2017, section 3.3, norm last).

    pre_norm            normalize the input of the first layer instead of the sum
    dropout             dropout probability of the output
    activation_dropout  likewise for the activations between the layers
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        activation: str,
        *,
        pre_norm: bool = False,
        dropout: float = 0.0,
        activation_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.dropout = dropout
        self.activation_dropout = activation_dropout
        self.expand = nn.Linear(width, hidden)
        self.activation = make_activation(activation)
        self.contract = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)
        for linear in (self.expand, self.contract):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Take tokens [..., D] to the same shape."""
        inputs = self.norm(tokens) if self.pre_norm else tokens
        hidden = F.dropout(self.activation(self.expand(inputs)), self.activation_dropout, self.training)
        output: Tensor = tokens + F.dropout(self.contract(hidden), self.dropout, self.training)
        return output if self.pre_norm else self.norm(output)

    def fold(self) -> None:
        """Activate in place: the first layer's output is used only here, and no gradient needs it."""
        work_in_place(self.activation)
