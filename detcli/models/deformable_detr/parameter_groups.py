"""Deformable DETR's parameter groups for the optimizer."""

from torch import nn

from detcli.models.deformable_detr.decoder_queries import LearnedQueries
from detcli.models.family import ParameterGroup
from detcli.models.layers.deformable_attention import DeformableAttention

_SAMPLING_FACTOR = 0.1  # of the rate of sampling offsets and reference points


def parameter_groups(network: nn.Module) -> tuple[ParameterGroup, ...]:
    """The trainable parameters, in the groups of the published recipe.

    All have weight decay. The backbone has its own rate; sampling offsets and learned reference points have a tenth of the
    others' rate. The recipe freezes the stem and the first stage of the backbone; the backbone's norms have no parameters.
    Source: the Deformable DETR repository, whose patterns are `backbone.0`, `reference_points` and `sampling_offsets`.
    """
    sampling = {
        f"{path}.{child}.{kind}"
        for path, module in network.named_modules()
        for child in _sampling_layers(module)
        for kind in ("weight", "bias")
    }
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    backbone = tuple(name for name in names if name.startswith("backbone."))
    rest = [name for name in names if not name.startswith("backbone.")]
    return (
        ParameterGroup(backbone, "backbone", decay=True),
        ParameterGroup(tuple(name for name in rest if name not in sampling), "base", decay=True),
        ParameterGroup(tuple(name for name in rest if name in sampling), "base", decay=True, factor=_SAMPLING_FACTOR),
    )


def _sampling_layers(module: nn.Module) -> tuple[str, ...]:
    if isinstance(module, DeformableAttention):
        return ("offsets",)
    return ("references",) if isinstance(module, LearnedQueries) else ()
