"""Which of Deformable DETR's parameters learn alike."""

from torch import nn

from detcli.models.deformable_detr.decoder_queries import LearnedQueries
from detcli.models.family import ParameterGroup
from detcli.models.layers.deformable_attention import DeformableAttention

_SLOWER = 0.1  # what decides where is looked


def parameter_groups(network: nn.Module) -> tuple[ParameterGroup, ...]:
    """The parameters that learn, in the groups of the published recipe.

    All decay. The backbone has its own rate; where is looked, that is offsets of sampling points and learned reference
    points, learns at a tenth of the others'. The recipe freezes what of the backbone keeps what ImageNet taught it; its
    norms are no parameters at all.
    Source: the Deformable DETR repository, whose patterns are `backbone.0`, `reference_points` and `sampling_offsets`.
    """
    aiming = {
        f"{place}.{child}.{kind}"
        for place, module in network.named_modules()
        for child in _aims(module)
        for kind in ("weight", "bias")
    }
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    backbone = tuple(name for name in names if name.startswith("backbone."))
    rest = [name for name in names if not name.startswith("backbone.")]
    return (
        ParameterGroup(backbone, "backbone", decay=True),
        ParameterGroup(tuple(name for name in rest if name not in aiming), "base", decay=True),
        ParameterGroup(tuple(name for name in rest if name in aiming), "base", decay=True, factor=_SLOWER),
    )


def _aims(module: nn.Module) -> tuple[str, ...]:
    if isinstance(module, DeformableAttention):
        return ("offsets",)
    return ("references",) if isinstance(module, LearnedQueries) else ()
