"""Which of DETR's parameters learn alike."""

from torch import nn

from detcli.models.family import ParameterGroup

# The stem and the first stage keep what ImageNet taught them. All norms of the backbone are frozen.
_KEPT = ("backbone.stem.", "backbone.stages.0.", "backbone.model.conv1.", "backbone.model.layer1.")


def parameter_groups(network: nn.Module) -> tuple[ParameterGroup, ...]:
    """The parameters that learn, in the groups of the published recipe: all decay, norms and biases too.

    Source: the DETR repository (main.py, models/backbone.py). Of timm's backbones other than ResNets all of it learns.
    """
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    return (
        ParameterGroup(
            tuple(name for name in names if name.startswith("backbone.") and not name.startswith(_KEPT)),
            "backbone",
            decay=True,
        ),
        ParameterGroup(tuple(name for name in names if not name.startswith("backbone.")), "base", decay=True),
    )
