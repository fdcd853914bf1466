"""Which of DETR's parameters learn alike."""

from torch import nn

from detcli.models.family import ParameterGroup


def parameter_groups(network: nn.Module) -> tuple[ParameterGroup, ...]:
    """The parameters that learn, in the groups of the published recipe: all decay, norms and biases too.

    The recipe freezes what of the backbone keeps what ImageNet taught it; its norms are no parameters at all.
    Source: the DETR repository (main.py).
    """
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    return (
        ParameterGroup(tuple(name for name in names if name.startswith("backbone.")), "backbone", decay=True),
        ParameterGroup(tuple(name for name in names if not name.startswith("backbone.")), "base", decay=True),
    )
