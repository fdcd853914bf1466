"""D-FINE's parameter groups for the optimizer."""

from torch import nn

from detcli.models.family import ParameterGroup


def parameter_groups(network: nn.Module) -> tuple[ParameterGroup, ...]:
    """The trainable parameters, in the groups of the published recipes.

    The complete backbone, with norms and affines, has the backbone's rate and weight decay. Of the other parameters,
    norms have no weight decay; nor do biases, if the backbone has affines (sizes n, s and m) or trainable norms.
    Source: the D-FINE repository's configurations; their pattern against decay of the backbone's norms matches nothing.
    """
    norms = {
        f"{path}.{name}"
        for path, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm)
        for name, _ in module.named_parameters(recurse=False)
    }
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    backbone = tuple(name for name in names if name.startswith("backbone."))
    biases_decay = not any(".affine." in name or name in norms for name in backbone)
    rest = [name for name in names if not name.startswith("backbone.")]
    fixed = {name for name in rest if name in norms or (name.endswith(".bias") and not biases_decay)}
    return (
        ParameterGroup(backbone, "backbone", decay=True),
        ParameterGroup(tuple(name for name in rest if name in fixed), "base", decay=False),
        ParameterGroup(tuple(name for name in rest if name not in fixed), "base", decay=True),
    )
