"""DETR's parameter groups for the optimizer."""

from torch import nn

from detcli.models.family import ParameterGroup


def parameter_groups(network: nn.Module) -> tuple[ParameterGroup, ...]:
    """The trainable parameters, in the groups of the published recipe: all have weight decay, also norms and biases.

    The recipe freezes the stem and the first stage of the backbone; the backbone's norms have no parameters.
    Source: the DETR repository (main.py).
    """
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    return (
        ParameterGroup(tuple(name for name in names if name.startswith("backbone.")), "backbone", decay=True),
        ParameterGroup(tuple(name for name in names if not name.startswith("backbone.")), "base", decay=True),
    )
