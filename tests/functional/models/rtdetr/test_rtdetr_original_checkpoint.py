"""Weights of RT-DETR's original repository are recognized by their names and give the Hub's network."""

from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.models.dfine import FAMILY as DFINE
from detcli.models.empty_weights import empty_weights
from detcli.models.family import FAMILIES, ConversionHints, ConvertedWeights
from detcli.models.rtdetr import FAMILY
from detcli.models.rtdetr.config import RtDetrConfig, Version
from detcli.models.rtdetr.original_checkpoint import read_original
from detcli.models.rtdetr.published import published_config, sized_config
from detcli.structures.dataset_labels import COCO_80
from tests.helpers import dfine_samples, original_layouts
from tests.helpers.rtdetr_samples import random_network, tiny

NAMES = tuple(f"class {i}" for i in range(5))
HINTS = ConversionHints(labels=NAMES)
USUAL: dict[str, Any] = {"num_queries": 300, "encoder_attention_heads": 8, "decoder_attention_heads": 8}
SIZES = [f"{version}{size}" for version in ("", "v2-") for size in ("r18vd", "r34vd", "r50vd", "r101vd")]


def saved(config: RtDetrConfig, state: dict[str, Tensor], grid_hw: tuple[int, int] | None = None) -> dict[str, Tensor]:
    return original_layouts.rtdetr(
        FAMILY.write_weights(state, config), second=config.version == 2, grid_hw=grid_hw, strides=(8, 16, 32)
    )


def read(tensors: dict[str, Tensor], hints: ConversionHints = HINTS) -> ConvertedWeights:
    original = read_original(tensors, hints)
    assert original is not None
    return original


def tensors_of(version: Version = 2, **changes: Any) -> dict[str, Tensor]:
    config = tiny(version, **{**USUAL, **changes})
    return saved(config, dict(random_network(config).state_dict()))


BOTTLENECK = {"layer_type": "bottleneck", "hidden_sizes": [16, 24, 32, 40]}
NETWORKS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "bottlenecks": {"backbone": BOTTLENECK, "encoder_in_channels": [24, 32, 40], "hidden_expansion": 1.0},
    "trained norms": {"freeze_backbone_batch_norms": False, "num_denoising": 0},
    "two maps": {
        "backbone": {"out_indices": [3, 4]}, "encoder_in_channels": [24, 32], "decoder_in_channels": [32, 32],
        "num_feature_levels": 2, "decoder_n_levels": 2, "encode_proj_layers": [1], "d_model": 64,
    },
    "a fourth level": {"num_feature_levels": 4, "decoder_n_levels": 4, "decoder_layers": 1},
    "all attend": {"encoder_layers": 2, "encode_proj_layers": [0, 1, 2], "hidden_expansion": 0.7},
    "learned queries": {"learn_initial_query": True, "num_queries": 17, "encode_proj_layers": [], "encoder_ffn_dim": 1024},
    "one point": {"decoder_n_points": 1},
}  # fmt: skip


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_original_weights_convert_to_the_same_network(name: str, version: Version) -> None:
    config = tiny(version, **{**USUAL, **NETWORKS[name]})
    state = dict(random_network(config).state_dict())
    original = read(saved(config, state))
    assert original.config.pyramid_dim == config.pyramid_dim
    written, expected = FAMILY.write_config(original.config), FAMILY.write_config(config)
    assert {**written, "hidden_expansion": 0} == {**expected, "hidden_expansion": 0}
    again = FAMILY.read_weights(original.tensors, original.config)
    assert again.keys() == state.keys()
    for tensor_name, tensor in state.items():
        assert torch.equal(again[tensor_name], tensor), tensor_name


def test_version_1_of_the_second_repository_is_read() -> None:
    config = tiny(1, **USUAL)
    state = dict(random_network(config).state_dict())
    tensors = original_layouts.rtdetr(FAMILY.write_weights(state, config), second=True)
    assert "decoder.enc_output.proj.weight" in tensors
    original = read(tensors)
    assert original.config == config
    again = FAMILY.read_weights(original.tensors, original.config)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def test_points_that_differ_by_level_are_read() -> None:
    assert read(tensors_of(2, decoder_n_points=[2, 4, 1])).config.decoder_n_points == (2, 4, 1)


@pytest.mark.parametrize("variant", SIZES)
def test_every_published_size_gets_the_hubs_configuration(variant: str) -> None:
    config = published_config(variant, COCO_80)
    original = read(saved(config, empty_state(config)), ConversionHints())
    assert original.config == config
    assert original.preprocessor["size"] == {"height": 640, "width": 640}
    title = f"RT-DETRv2-{variant[3:].upper()}" if config.version == 2 else f"RT-DETR-{variant.upper()}"
    assert original.notes == (f"recognized as {title}",)
    assert original.assumed[0] == "the 80 classes are those of COCO"
    assert "image_size=640x640" in original.assumed
    assert "num_queries=300" in original.assumed


def empty_state(config: RtDetrConfig) -> dict[str, Tensor]:
    """Names and shapes of a network without its memory; the scales of points are there."""
    with empty_weights():
        state = dict(FAMILY.build(config).state_dict())
    scale = torch.cat([torch.full((n,), 1 / n) for n in config.decoder_n_points])
    return {name: scale.clone() if name.endswith("points_scale") else tensor for name, tensor in state.items()}


@pytest.mark.parametrize("version", [1, 2])
def test_the_medium_size_predicts_after_its_third_layer(version: Version) -> None:
    medium = sized_config(version, "r50vd-m", COCO_80)
    whole = FAMILY.read_config({**FAMILY.write_config(medium), "decoder_layers": 6})
    tensors = saved(whole, empty_state(whole))
    original = read(tensors, ConversionHints())
    assert original.config == medium
    title = "RT-DETR" if version == 1 else "RT-DETRv2"
    assert original.notes == (f"recognized as {title}-R50VD-M", "predicts after decoder layer 3 of 6")
    assert "decoder_layers=3" in original.assumed
    assert not any("decoder.layers.3." in name or "class_embed.3." in name for name in original.tensors)
    all_layers = read(tensors, ConversionHints(fields={"decoder_layers": 6}))
    assert all_layers.config == whole


def test_eval_idx_of_the_files_configuration_is_read() -> None:
    tensors = tensors_of(2, decoder_layers=3)
    original = read(tensors, ConversionHints(labels=NAMES, args={"RTDETRTransformerv2.eval_idx": 0}))
    assert original.config.decoder_layers == 1
    assert not any(entry.startswith("decoder_layers") for entry in original.assumed)


def test_more_decoder_layers_than_the_weights_have_are_refused() -> None:
    with pytest.raises(UsageError, match="'decoder_layers' is 3; it must be at most 2, as many as the weights have"):
        read(tensors_of(), ConversionHints(labels=NAMES, fields={"decoder_layers": 3}))


def test_heads_of_version_1_change_the_number_of_points() -> None:
    original = read(tensors_of(1), ConversionHints(labels=NAMES, fields={"decoder_attention_heads": 4}))
    assert (original.config.decoder_attention_heads, original.config.decoder_n_points) == (4, (8, 8, 8))


@pytest.mark.parametrize("size_hw", [(640, 640), (288, 512), (64, 96)])
def test_stored_anchors_tell_the_size_of_the_images(size_hw: tuple[int, int]) -> None:
    config = tiny(2, **USUAL)
    tensors = saved(config, dict(random_network(config).state_dict()), size_hw)
    original = read(tensors)
    assert original.preprocessor["size"] == {"height": size_hw[0], "width": size_hw[1]}
    assert not any(entry.startswith("image_size") for entry in original.assumed)


def test_a_copy_for_deployment_and_a_position_grid_are_left_out() -> None:
    tensors = tensors_of()
    plain = read(tensors)
    tensors["encoder.fpn_blocks.0.bottlenecks.0.conv.weight"] = torch.zeros(16, 16, 3, 3)
    tensors["encoder.fpn_blocks.0.bottlenecks.0.conv.bias"] = torch.zeros(16)
    tensors["encoder.pos_embed2"] = torch.zeros(1, 400, 32)
    assert read(tensors).tensors.keys() == plain.tensors.keys()


def renamed(tensors: dict[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    return {name.replace(old, new): tensor for name, tensor in tensors.items()}


REFUSED: dict[str, tuple[Any, str]] = {
    "another backbone": (lambda t: renamed(t, "backbone.res_layers.", "backbone.stages."), "another backbone than ResNet-vd"),
    "variant b": (lambda t: renamed(t, "short.conv.conv.", "short.conv."), "is not of variant d"),
    "a plain stem": (lambda t: renamed(t, "conv1.conv1_3.", "conv1.conv1_9."), "is not of variant d"),
    "deployed": (lambda t: renamed(t, "bottlenecks.0.conv1.", "bottlenecks.0.conv."), "after RT-DETR's deploy"),
    "more blocks": (
        lambda t: {**t, "encoder.fpn_blocks.0.bottlenecks.3.conv1.conv.weight": torch.ones(16, 16, 3, 3)},
        r"must have 3 RepVGG blocks \(depth_mult = 1\), not 4",
    ),
    "agnostic selection": (lambda t: {**t, "decoder.enc_score_head.weight": torch.ones(1, 32)}, "agnostic"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_networks_that_detcli_does_not_have_are_refused(case: str) -> None:
    change, words = REFUSED[case]
    with pytest.raises(UnsupportedModelError, match=words):
        read_original(change(tensors_of()), HINTS)


def test_missing_and_unknown_tensors_are_named() -> None:
    tensors = tensors_of()
    with pytest.raises(DamagedModelError, match=r"'head\.weight', which is not a name of RT-DETRv2"):
        read({**tensors, "head.weight": torch.ones(3)})
    del tensors["decoder.decoder.layers.0.linear1.weight"]
    with pytest.raises(DamagedModelError, match=r"lack 'decoder\.decoder\.layers\.0\.linear1\.weight'"):
        read(tensors)


def test_no_family_takes_the_weights_of_another() -> None:
    config = dfine_samples.tiny(num_queries=300)
    state = dict(dfine_samples.random_network(config).state_dict())
    theirs = original_layouts.dfine(DFINE.write_weights(state, config), grid_hw=(640, 640), strides=(8, 16, 32))
    assert read_original(theirs, HINTS) is None
    for name, family in FAMILIES.items():
        taken = family.read_original(tensors_of(1), ConversionHints(labels=NAMES, dilation=False))
        assert (taken is not None) == (name == "rtdetr")
