"""Parameter groups against those of the published recipes."""

from dataclasses import replace

import pytest
import torch

from detcli.models.dfine import FAMILY
from detcli.models.dfine.network import DFine
from detcli.models.dfine.published import Size, published_config
from detcli.models.family import ParameterGroup
from tests.helpers.dfine_samples import tiny

# Source: the original repository's groups of n and x, as it was run: 186, 151 and 91 tensors, and 125, 226 and 277. It
# keeps the three projections of an attention in one tensor; n has four attentions, x seven. It freezes the five
# convolutions of x's stem, which is the recipe's business here.
PUBLISHED = {"n": (186, 151 + 2 * 4, 91 + 2 * 4), "x": (125 + 5, 226, 277 + 4 * 7)}


def network(size: Size, *, frozen: bool) -> DFine:
    config = published_config(size, ["label"] * 80)
    with torch.device("meta"):
        return DFine(replace(config, backbone=replace(config.backbone, frozen=frozen)))


def group_of(groups: tuple[ParameterGroup, ...], name: str) -> ParameterGroup:
    (group,) = [group for group in groups if name in group.names]
    return group


@pytest.mark.parametrize(("size", "frozen"), [("n", False), ("x", True)])
def test_groups_have_the_published_sizes(size: Size, frozen: bool) -> None:
    groups = FAMILY.parameter_groups(network(size, frozen=frozen))
    assert tuple(len(group.names) for group in groups) == PUBLISHED[size]


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_every_trainable_parameter_is_in_one_group(frozen: bool, affine: bool) -> None:
    config = tiny(freeze_backbone_batch_norms=frozen, backbone={"use_learnable_affine_block": affine})
    learner = DFine(config)
    grouped = [name for group in FAMILY.parameter_groups(learner) for name in group.names]
    assert len(grouped) == len(set(grouped))
    parameters = dict(learner.named_parameters())
    assert set(grouped) == {name for name, parameter in parameters.items() if parameter.requires_grad}


def test_the_complete_backbone_has_its_own_rate_and_decay() -> None:
    groups = FAMILY.parameter_groups(network("n", frozen=False))
    names = [name for name in groups[0].names if "norm" in name or "affine" in name]
    assert names
    assert all((group.rate, group.decay) == ("backbone", True) for group in groups[:1])
    assert all(group.rate == "base" for group in groups[1:])
    assert not any(name.startswith("backbone.") for group in groups[1:] for name in group.names)


@pytest.mark.parametrize(("size", "frozen", "decays"), [("n", False, False), ("n", True, False), ("x", True, True)])
def test_biases_decay_only_in_the_large_sizes(size: Size, frozen: bool, decays: bool) -> None:
    groups = FAMILY.parameter_groups(network(size, frozen=frozen))
    assert group_of(groups, "decoder.class_heads.0.bias").decay is decays
    assert group_of(groups, "decoder.class_heads.0.weight").decay
    assert not group_of(groups, "decoder.layers.0.mlp_norm.weight").decay
    assert not group_of(groups, "encoder.laterals.0.norm.bias").decay
    assert group_of(groups, "denoising_labels.weight").decay


def test_frozen_parameters_are_in_no_group() -> None:
    names = {name for group in FAMILY.parameter_groups(network("s", frozen=False)) for name in group.names}
    assert not {name for name in names if name.startswith("decoder.bins.")}
