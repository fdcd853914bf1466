"""RT-DETR's parameter groups for the optimizer."""

from torch import nn

from detcli.models.family import ParameterGroup
from detcli.models.rtdetr.network import RtDetr
from detcli.models.rtdetr.published import size_of


def parameter_groups(network: nn.Module) -> tuple[ParameterGroup, ...]:
    """The trainable parameters, in the groups of the published recipes.

    Norms have no weight decay, also those of the backbone; nor do biases of other layers, except in most recipes of
    version 2. The backbone has its own rate.
    Source: the configurations of lyuwenyu/RT-DETR. Their patterns miss a few norms of version 1, whose names lack "norm".
    """
    norms = {
        f"{path}.{name}"
        for path, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm)
        for name, _ in module.named_parameters(recurse=False)
    }
    decaying_biases = _biases_decay(network)

    def decays(name: str) -> bool:
        return name not in norms and (decaying_biases or not name.endswith(".bias"))

    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    groups = []
    for rate, own in (("backbone", True), ("base", False)):
        of_rate = [name for name in names if name.startswith("backbone.") == own]
        for decay in (True, False):
            chosen = tuple(name for name in of_rate if decays(name) == decay)
            groups.append(ParameterGroup(chosen, "backbone" if rate == "backbone" else "base", decay=decay))
    return tuple(group for group in groups if group.names)


def _biases_decay(network: nn.Module) -> bool:
    """Whether biases have weight decay: in version 2, of all sizes but r34vd."""
    if not isinstance(network, RtDetr):
        return False
    return network.config.version == 2 and size_of(network.config) != "r34vd"
