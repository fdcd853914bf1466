"""The inference form of a network: norms folded, modules that only training runs removed."""

from typing import Protocol, TypeVar, runtime_checkable

from torch import nn

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@runtime_checkable
class NetworkWithTrainingParts(Protocol):
    """A network with modules that inference never runs."""

    def drop_training_parts(self) -> None:
        """Remove these modules. A second call changes nothing."""
        ...


@runtime_checkable
class FoldableModule(Protocol):
    """A module with an equivalent form that runs faster in inference."""

    def fold(self) -> None:
        """Change to that form in place. A second call changes nothing."""
        ...


def optimize(network: NetworkT) -> NetworkT:
    """Change a network to its inference form, in place, and return it. A second call changes nothing.

    Norms and learnable affines are folded into convolutions, parallel branches and projections of the same input are
    merged, and modules that only training runs are removed. Outputs change by rounding errors only.
    """
    network.eval().requires_grad_(False)
    if isinstance(network, NetworkWithTrainingParts):
        network.drop_training_parts()
    for module in list(network.modules()):
        if isinstance(module, FoldableModule):
            module.fold()
    return network
