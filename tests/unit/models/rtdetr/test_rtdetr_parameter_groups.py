"""RT-DETR's parameters are grouped as in the published recipes."""

import pytest
import torch

from detcli.models.family import ParameterGroup
from detcli.models.rtdetr import FAMILY
from detcli.models.rtdetr.network import RtDetr
from detcli.models.rtdetr.published import published_config


def groups_of(variant: str) -> tuple[RtDetr, tuple[ParameterGroup, ...]]:
    with torch.device("meta"):
        network = FAMILY.build(published_config(variant, ["a"]))
    return network, FAMILY.parameter_groups(network)


@pytest.mark.parametrize("variant", ["r18vd", "v2-r18vd", "v2-r34vd", "v2-r50vd"])
def test_every_parameter_is_in_one_group(variant: str) -> None:
    network, groups = groups_of(variant)
    names = [name for group in groups for name in group.names]
    assert sorted(names) == sorted(name for name, value in network.named_parameters() if value.requires_grad)
    assert all(group.rate == ("backbone" if group.names[0].startswith("backbone.") else "base") for group in groups)


@pytest.mark.parametrize(
    ("variant", "biases"),
    [("r18vd", False), ("r50vd", False), ("v2-r18vd", True), ("v2-r34vd", False), ("v2-r101vd", True)],
)
def test_norms_never_decay_and_biases_only_in_version_2(variant: str, biases: bool) -> None:
    decays = {name: group.decay for group in groups_of(variant)[1] for name in group.names}
    assert not decays["encoder.input_projections.0.norm.weight"]
    assert not decays["decoder.layers.0.mlp_norm.bias"]
    assert decays["decoder.layers.0.mlp.layers.0.weight"]
    assert decays["decoder.layers.0.mlp.layers.0.bias"] is biases
    assert decays["backbone.stages.0.0.layers.0.conv.weight"]
    if "18" in variant or "34" in variant:
        assert not decays["backbone.stages.0.0.layers.0.norm.weight"]
    else:
        assert "backbone.stages.0.0.layers.0.norm.weight" not in decays, "frozen norms have no parameters"
