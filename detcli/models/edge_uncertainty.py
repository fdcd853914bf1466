"""Networks that predict how sure they are of each edge of a box."""

from typing import Protocol, runtime_checkable

from torch import nn

from detcli.errors import UnsupportedModelError


@runtime_checkable
class EdgeUncertaintyNetwork(Protocol):
    """A network that predicts a distribution for each edge of a box."""

    def predict_box_std(self) -> None:
        """Also return `Outputs.box_std`, in place."""
        ...


def predict_box_std(network: nn.Module, model: str) -> None:
    """Make a network return the standard deviation of each edge, in place.

    model  its name, for messages

    Raises UnsupportedModelError for a network that predicts edges without distributions.
    """
    if not isinstance(network, EdgeUncertaintyNetwork):
        raise UnsupportedModelError(
            f"`uncertainty`: '{model}' predicts boxes without distributions of their edges; D-FINE models have them"
        )
    network.predict_box_std()
