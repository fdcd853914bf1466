"""Which of D-FINE's parameters learn alike."""

from torch import nn

from detcli.models.family import ParameterGroup


def parameter_groups(network: nn.Module) -> tuple[ParameterGroup, ...]:
    """The parameters that learn, in the groups of the published recipes.

    All of the backbone, its norms and affines too, learns at the backbone's rate and decays. Of the rest, norms do not
    decay; nor do biases in sizes n, s and m, whose backbones have affines, and wherever the backbone's norms learn.
    Source: the D-FINE repository's configurations, as what their patterns match: the one that would have kept the
    backbone's norms from decaying matches nothing.
    """
    norms = {
        f"{place}.{name}"
        for place, module in network.named_modules()
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
