"""Multi-layer perceptrons, the small heads on top of tokens."""

from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from detcli.models.layers.activations import make_activation


class Mlp(nn.Module):
    """Linear layers with an activation between them, none after the last.

    dropout  dropout probability of the activations
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, layers: int, activation: str = "relu", *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [inputs, *[hidden] * (layers - 1), outputs]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.activation = make_activation(activation)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Take x [..., inputs] to [..., outputs]."""
        for layer in self.layers[:-1]:
            x = F.dropout(self.activation(layer(x)), self.dropout, self.training)
        output: Tensor = self.layers[-1](x)
        return output

    @property
    def linears(self) -> list[nn.Linear]:
        """The linear layers, to initialize their weights."""
        return cast("list[nn.Linear]", [*self.layers])
