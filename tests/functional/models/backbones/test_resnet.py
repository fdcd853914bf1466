"""ResNet: shapes, inference form, configuration in every version, and both namings of its weights."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.errors import UnsupportedModelError
from detcli.models.backbones.backbone_config import BackboneConfig, make_backbone, read_backbone, write_backbone
from detcli.models.backbones.backbone_names import hub_backbone_name, our_backbone_name
from detcli.models.backbones.resnet import VARIANTS, ResNet, ResNetConfig, resnet_variant
from detcli.models.backbones.timm_backbone import TimmConfig
from detcli.models.config_fields import ConfigFields
from detcli.models.empty_weights import empty_weights

ALL = (1, 2, 3, 4)


def read(document: dict[str, Any], default_out: tuple[int, ...] = ALL) -> BackboneConfig:
    return read_backbone(ConfigFields(document), default_out)


def small(**changes: Any) -> ResNetConfig:
    plain: dict[str, Any] = {"depths": (1, 2, 1, 2), "hidden_sizes": (8, 16, 24, 32), "embedding_size": 8}
    return ResNetConfig(**{**plain, "out_indices": ALL, **changes})


def random_network(config: ResNetConfig, seed: int = 0) -> ResNet:
    """A ResNet in float64 with random norms."""
    torch.manual_seed(seed)
    network = ResNet(config).double().eval()
    for name, buffer in network.named_buffers():
        if name.endswith(("weight", "running_var")):
            buffer.uniform_(0.5, 1.5)
        else:
            buffer.normal_(0, 0.2)
    return network


def shapes(maps: list[Tensor]) -> list[tuple[int, ...]]:
    return [tuple(x.shape[1:]) for x in maps]


def test_maps_halve_and_have_the_configured_channels() -> None:
    network = ResNet(small(out_indices=(0, 1, 2, 3, 4)))
    assert network.out_channels == (8, 8, 16, 24, 32)
    maps = network(torch.zeros(2, 3, 70, 101))
    assert shapes(maps) == [(8, 18, 26), (8, 18, 26), (16, 9, 13), (24, 5, 7), (32, 3, 4)]


def test_dilation_keeps_the_size_of_the_last_map() -> None:
    plain, dilated = random_network(small()), random_network(small(dilation=True, timm_name="x"))
    dilated.load_state_dict(plain.state_dict())
    pixels = torch.rand(1, 3, 96, 96, dtype=torch.float64)
    one, other = plain(pixels), dilated(pixels)
    assert shapes(other)[-1] == (32, 6, 6)
    for a, b in zip(one[:3], other[:3], strict=True):
        assert torch.equal(a, b)


def test_only_blocks_after_the_first_are_dilated() -> None:
    last = ResNet(small(dilation=True, timm_name="x")).stages[3]
    assert [block.layers[1].conv.dilation for block in last] == [(1, 1), (2, 2)]
    assert [block.layers[1].conv.stride for block in last] == [(1, 1), (1, 1)]


@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
@pytest.mark.parametrize("dilation", [False, True])
def test_the_inference_form_gives_the_same(layer_type: Any, dilation: bool) -> None:
    network = random_network(small(layer_type=layer_type, dilation=dilation, timm_name="x" if dilation else None))
    pixels = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        before = network(pixels)
        for module in list(network.modules()):
            if hasattr(module, "fold"):
                module.fold()
        after = network(pixels)
    assert not any(name.endswith("running_var") for name in network.state_dict())
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_norms_have_no_parameters() -> None:
    network = ResNet(small())
    assert all(name.endswith("conv.weight") for name, _ in network.named_parameters())


def test_gradients_reach_every_convolution() -> None:
    network = random_network(small()).train()
    sum(x.sum() for x in network(torch.rand(1, 3, 64, 64, dtype=torch.float64))).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "millions"),
    # Parameters of the published classifiers less their last layer, in millions.
    [("resnet18", 11.177), ("resnet26", 13.947), ("resnet34", 21.285), ("resnet50", 23.508), ("resnet101", 42.500),
     ("resnet152", 58.144)],
)  # fmt: skip
def test_every_variant_has_its_published_size(name: str, millions: float) -> None:
    with empty_weights():
        network = ResNet(resnet_variant(name, (4,)))
    norms = sum(buffer.numel() for key, buffer in network.named_buffers() if key.endswith(("weight", "bias")))
    total = sum(parameter.numel() for parameter in network.parameters()) + norms
    assert total / 1e6 == pytest.approx(millions, abs=0.001)


# All forms of the same ResNet-50.
ERAS: dict[str, dict[str, Any]] = {
    "2021": {"backbone": "resnet50", "dilation": False},
    "absent": {},
    "4.x": {
        "use_timm_backbone": True, "backbone": "resnet50", "backbone_config": None, "dilation": False,
        "backbone_kwargs": {"out_indices": [1, 2, 3, 4], "in_chans": 3},
    },
    "5.x": {
        "backbone_config": {
            "model_type": "timm_backbone", "backbone": "resnet50", "out_indices": [1, 2, 3, 4], "num_channels": 3,
            "features_only": True, "freeze_batch_norm_2d": False, "output_stride": None,
            "out_features": ["layer1", "layer2", "layer3", "layer4"],
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("era", ERAS)
def test_a_timm_name_is_read_from_every_version(era: str) -> None:
    assert read(ERAS[era]) == resnet_variant("resnet50", ALL, timm_name="resnet50")


@pytest.mark.parametrize(
    "document",
    [
        {"backbone": "resnet101", "dilation": True},
        {"backbone": "resnet101", "dilation": True, "backbone_kwargs": {"output_stride": 16, "out_indices": [1, 2, 3, 4]}},
        {"backbone_config": {
            "model_type": "timm_backbone", "backbone": "resnet101", "out_indices": [1, 2, 3, 4], "output_stride": 16}},
    ],
)  # fmt: skip
def test_dilation_is_read_from_every_version(document: dict[str, Any]) -> None:
    config = read(document)
    assert config == resnet_variant("resnet101", ALL, dilation=True)
    assert isinstance(config, ResNetConfig)
    assert config.dilation


def test_version_5_uses_output_stride_and_ignores_dilation() -> None:
    given = {"model_type": "timm_backbone", "backbone": "resnet50", "out_indices": [4]}
    config = read({"dilation": True, "backbone_config": given})
    assert config == resnet_variant("resnet50", (4,), timm_name="resnet50")


def test_all_fields_of_transformers_resnet_are_read() -> None:
    given = {
        "model_type": "resnet", "depths": [2, 1, 1], "hidden_sizes": [16, 32, 64], "embedding_size": 8,
        "layer_type": "basic", "hidden_act": "silu", "downsample_in_first_stage": True,
        "downsample_in_bottleneck": True, "out_features": ["stem", "stage2", "stage3"],
    }  # fmt: skip
    config = read({"use_timm_backbone": False, "backbone": None, "dilation": None, "backbone_config": given})
    assert config == ResNetConfig(
        depths=(2, 1, 1), hidden_sizes=(16, 32, 64), embedding_size=8, layer_type="basic", hidden_act="silu",
        downsample_in_first_stage=True, downsample_in_bottleneck=True, out_indices=(0, 2, 3),
    )  # fmt: skip


def test_the_default_without_timm_is_a_resnet_50() -> None:
    assert read({"use_timm_backbone": False, "backbone": "resnet50"}) == ResNetConfig()


def test_other_timm_names_give_a_timm_backbone() -> None:
    assert read({"backbone": "convnext_tiny.in12k"}) == TimmConfig(name="convnext_tiny.in12k", out_indices=ALL)
    assert read({"backbone": "resnet50d", "dilation": True}) == TimmConfig(
        name="resnet50d", out_indices=ALL, output_stride=16
    )
    kwargs = {"out_indices": [0, 4], "output_stride": 8}
    assert read({"backbone": "resnet50", "backbone_kwargs": kwargs}) == TimmConfig(
        name="resnet50", out_indices=(0, 4), output_stride=8
    )


@pytest.mark.parametrize(
    "config",
    [
        *(resnet_variant(name, ALL) for name in VARIANTS),
        *(resnet_variant(name, ALL, dilation=True) for name in VARIANTS),
        resnet_variant("resnet50", (2, 4), timm_name="resnet50.a1_in1k"),
        small(hidden_act="gelu", downsample_in_bottleneck=True),
        TimmConfig(name="resnet50d", out_indices=ALL),
        TimmConfig(name="resnet50d", out_indices=(2, 3), output_stride=8),
    ],
)
def test_a_backbone_survives_writing_and_reading(config: BackboneConfig) -> None:
    assert read(json.loads(json.dumps(write_backbone(config, ALL)))) == config


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"num_channels": 4}, "'num_channels'"),
        ({"use_timm_backbone": "yes"}, "'use_timm_backbone'"),
        ({"backbone": "hf-hub:someone/resnet50"}, "'backbone'"),
        ({"backbone": ["resnet50"]}, "'backbone'"),
        ({"backbone_kwargs": {"in_chans": 1}}, "'backbone_kwargs.in_chans'"),
        ({"backbone_kwargs": {"drop_rate": 0.1}}, "'backbone_kwargs.drop_rate'"),
        ({"use_timm_backbone": False, "backbone": "microsoft/resnet-101"}, "'backbone'"),
        ({"use_timm_backbone": False, "dilation": True, "backbone_config": {"model_type": "resnet"}}, "'dilation'"),
        ({"backbone_config": {"model_type": "swin"}}, "'backbone_config.model_type'"),
        ({"backbone_config": {"model_type": "resnet", "depths": [1]}}, "'backbone_config.depths'"),
        ({"backbone_config": {"model_type": "resnet", "depths": [200, 200, 200, 3]}}, "'backbone_config.depths'"),
        ({"backbone_config": {"model_type": "resnet", "layer_type": "wide"}}, "'backbone_config.layer_type'"),
        ({"backbone_config": {"model_type": "resnet", "out_indices": [4, 3]}}, "'backbone_config.out_indices'"),
        ({"backbone_config": {"model_type": "resnet", "out_features": ["layer4"]}}, "'backbone_config.out_features'"),
        ({"backbone_config": {"model_type": "timm_backbone"}}, "'backbone_config.backbone'"),
    ],
)
def test_an_invalid_field_is_named(document: dict[str, Any], field: str) -> None:
    with pytest.raises(UnsupportedModelError, match=field):
        read(document)


@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
@pytest.mark.parametrize("timm_name", [None, "resnet50"])
def test_backbone_names_convert_both_ways(layer_type: Any, timm_name: str | None) -> None:
    config = small(layer_type=layer_type, timm_name=timm_name)
    names = list(ResNet(config).state_dict())
    on_hub = [hub_backbone_name(name, config) for name in names]
    assert len(set(on_hub)) == len(names)
    # Both namings are read, whatever the configuration says.
    other = replace(config, timm_name=None if timm_name else "resnet50")
    assert [our_backbone_name(name, config) for name in on_hub] == names
    assert [our_backbone_name(name, other) for name in on_hub] == names


def test_unknown_backbone_names_give_none() -> None:
    assert our_backbone_name("fc.weight", small()) is None
    assert our_backbone_name("encoder.stages.0.layers.0.attention.weight", small()) is None


def test_both_backbone_namings_are_those_of_the_hub() -> None:
    name = "stages.2.0.layers.1.norm.running_mean"
    assert hub_backbone_name(name, small()) == "encoder.stages.2.layers.0.layer.1.normalization.running_mean"
    assert hub_backbone_name(name, small(timm_name="resnet50")) == "layer3.0.bn2.running_mean"
    name = "stages.2.0.shortcut.conv.weight"
    assert hub_backbone_name(name, small()) == "encoder.stages.2.layers.0.shortcut.convolution.weight"
    assert hub_backbone_name(name, small(timm_name="resnet50")) == "layer3.0.downsample.0.weight"


def test_missing_timm_is_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(UnsupportedModelError, match=r"pip install timm"):
        make_backbone(TimmConfig(name="resnet50d", out_indices=ALL))
