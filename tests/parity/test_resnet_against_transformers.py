"""The same random weights in transformers' own ResNet and in timm's, and here."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from detcli.errors import UnsupportedModelError
from detcli.models.backbones.backbone_config import make_backbone
from detcli.models.backbones.backbone_names import our_backbone_name
from detcli.models.backbones.resnet import ResNetConfig, resnet_variant
from detcli.models.backbones.timm_backbone import TimmConfig
from detcli.models.conversion.weight_names import BATCH_COUNTER

ALL = (1, 2, 3, 4)


def awakened(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in float64 and evaluation mode, with random norms."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0, 0.2)
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.double().eval()


def assert_same_maps(ours: nn.Module, config: Any, theirs: nn.Module, expected: list[Tensor], pixels: Tensor) -> None:
    state = {}
    for name, tensor in theirs.state_dict().items():
        if not name.endswith(BATCH_COUNTER):
            state[our_backbone_name(name, config)] = tensor
    ours.double().eval().load_state_dict(state)
    with torch.inference_mode():
        for a, b in zip(ours(pixels), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


OPTIONS: dict[str, dict[str, Any]] = {
    "bottlenecks": {},
    "basic": {"layer_type": "basic"},
    "first stage halves": {"downsample_in_first_stage": True},
    "version 1": {"downsample_in_bottleneck": True},
    "gelu": {"hidden_act": "gelu"},
    "stem and two stages": {"out_indices": (0, 1, 3)},
    "equal widths": {"hidden_sizes": (8, 8, 16, 16), "embedding_size": 8},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_transformers_own_resnet_gives_the_same(options: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    fields: dict[str, Any] = {
        "depths": (1, 2, 2, 2), "hidden_sizes": (8, 16, 24, 32), "embedding_size": 12, "out_indices": ALL, **options
    }  # fmt: skip
    theirs = awakened(transformers.ResNetBackbone(transformers.ResNetConfig(**fields)))
    config = ResNetConfig(**fields)
    pixels = torch.rand(2, 3, 75, 98, dtype=torch.float64)
    with torch.inference_mode():
        expected = list(theirs(pixels).feature_maps)
    assert_same_maps(make_backbone(config), config, theirs, expected, pixels)


@pytest.mark.parametrize("dilation", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "resnet26", "resnet50"])
def test_timms_resnet_gives_the_same(name: str, dilation: bool) -> None:
    timm = pytest.importorskip("timm")
    theirs = awakened(
        timm.create_model(name, features_only=True, out_indices=ALL, output_stride=16 if dilation else 32)
    )
    config = resnet_variant(name, ALL, dilation=dilation, timm_name=name)
    pixels = torch.rand(1, 3, 75, 98, dtype=torch.float64)
    with torch.inference_mode():
        expected = theirs(pixels)
    assert_same_maps(make_backbone(config), config, theirs, expected, pixels)


def test_any_other_backbone_of_timm_gives_the_same() -> None:
    timm = pytest.importorskip("timm")
    theirs = awakened(timm.create_model("resnet10t", features_only=True, out_indices=ALL))
    config = TimmConfig(name="resnet10t", out_indices=ALL)
    ours = make_backbone(config)
    assert ours.out_channels == (64, 128, 256, 512)
    pixels = torch.rand(1, 3, 75, 98, dtype=torch.float64)
    with torch.inference_mode():
        expected = theirs(pixels)
    assert_same_maps(ours, config, theirs, expected, pixels)


@pytest.mark.parametrize(
    "config",
    [TimmConfig(name="no_such_net", out_indices=ALL), TimmConfig(name="resnet10t", out_indices=(9,))],
)
def test_unknown_timm_backbones_are_rejected(config: TimmConfig) -> None:
    pytest.importorskip("timm")
    with pytest.raises(UnsupportedModelError, match=config.name):
        make_backbone(config)
