"""Weights of every naming are read completely or rejected, and written without loss."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError
from detcli.models.rtdetr.config import RtDetrConfig, Version
from detcli.models.rtdetr.weights import read_weights, write_weights
from tests.helpers.rtdetr_samples import random_network, tiny

VERSIONS: tuple[Version, ...] = (1, 2)
BOTTLENECK: dict[str, Any] = {
    "backbone": {"layer_type": "bottleneck", "hidden_sizes": [16, 24, 32, 40]}, "encoder_in_channels": [24, 32, 40],
}  # fmt: skip
HEADS = ("class_embed.", "bbox_embed.")


def state_of(config: RtDetrConfig) -> dict[str, Tensor]:
    return dict(random_network(config).state_dict())


def assert_same(read: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(read[name], tensor), name


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        BOTTLENECK,
        {"freeze_backbone_batch_norms": False, "hidden_expansion": 1.0},
        {"learn_initial_query": True, "num_denoising": 0},
        {"encoder_layers": 2, "encode_proj_layers": [0, 2], "decoder_layers": 3},
    ],
    ids=["as it is", "bottlenecks", "trained norms", "learned queries", "two within"],
)
def test_written_weights_read_back_unchanged(version: Version, changes: dict[str, Any]) -> None:
    config = tiny(version, **changes)
    state = state_of(config)
    assert_same(read_weights(write_weights(state, config), config), state)


@pytest.mark.parametrize("version", VERSIONS)
def test_names_on_disk_are_those_of_the_hub(version: Version) -> None:
    config = tiny(version)
    names = write_weights(state_of(config), config).keys()
    for name in (
        "model.backbone.model.embedder.embedder.2.convolution.weight",
        "model.backbone.model.encoder.stages.0.layers.0.shortcut.convolution.weight",
        "model.backbone.model.encoder.stages.1.layers.0.shortcut.1.normalization.running_var",
        "model.backbone.model.encoder.stages.1.layers.1.layer.1.normalization.bias",
        "model.encoder_input_proj.2.1.running_mean",
        "model.encoder.encoder.0.layers.0.self_attn.out_proj.bias",
        "model.encoder.encoder.0.layers.0.fc1.weight",
        "model.encoder.lateral_convs.0.norm.weight",
        "model.encoder.fpn_blocks.1.bottlenecks.2.conv2.norm.bias",
        "model.encoder.pan_blocks.0.conv3.conv.weight",
        "model.encoder.downsample_convs.1.conv.weight",
        "model.decoder_input_proj.0.0.weight",
        "model.enc_output.1.bias",
        "model.decoder.layers.1.encoder_attn.value_proj.weight",
        "model.decoder.layers.1.encoder_attn_layer_norm.weight",
        "model.decoder.bbox_embed.1.layers.2.bias",
        "model.denoising_class_embed.weight",
    ):
        assert name in names
    assert ("model.decoder.layers.0.encoder_attn.n_points_scale" in names) is (version == 2)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("where", ["decoder", "top", "both"])
def test_heads_are_read_from_wherever_they_are(version: Version, where: str) -> None:
    config = tiny(version)
    state = state_of(config)
    plain = {name: tensor for name, tensor in write_weights(state, config).items() if not name.startswith(HEADS)}
    heads = {
        name: tensor for name, tensor in plain.items() if name.startswith(tuple("model.decoder." + h for h in HEADS))
    }
    top = {name.removeprefix("model.decoder."): tensor for name, tensor in heads.items()}
    rest = {name: tensor for name, tensor in plain.items() if name not in heads}
    assert_same(
        read_weights({**rest, **{"decoder": heads, "top": top, "both": {**top, **heads}}[where]}, config), state
    )


def test_heads_of_index_0_are_shared_by_all_layers() -> None:
    config = tiny(2, decoder_layers=3)
    state = state_of(config)
    tied = {name: t for name, t in write_weights(state, config).items() if not re.search(r"_embed\.[12]\.", name)}
    read = read_weights(tied, config)
    for layer in (1, 2):
        assert torch.equal(read[f"decoder.class_heads.{layer}.weight"], state["decoder.class_heads.0.weight"])
        assert torch.equal(read[f"decoder.box_heads.{layer}.layers.2.bias"], state["decoder.box_heads.0.layers.2.bias"])


def test_version_1_files_may_lack_the_scales_of_points() -> None:
    config = tiny(2, decoder_n_points=[2, 4, 1])
    state = state_of(config)
    tensors = {name: t for name, t in write_weights(state, config).items() if not name.endswith("n_points_scale")}
    assert_same(read_weights(tensors, config), state)


def test_batch_counters_are_optional() -> None:
    config = tiny(freeze_backbone_batch_norms=False)
    written = write_weights(state_of(config), config)
    tensors = {name: tensor for name, tensor in written.items() if not name.endswith("num_batches_tracked")}
    assert len(tensors) < len(written)
    assert int(read_weights(tensors, config)["backbone.stem.0.norm.num_batches_tracked"]) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_what_does_not_fit_is_named(version: Version) -> None:
    config = tiny(version)
    tensors = write_weights(state_of(config), config)
    with pytest.raises(DamagedModelError, match=r"have no place for 'model\.surplus'"):
        read_weights({**tensors, "model.surplus": torch.ones(1)}, config)
    name = "model.decoder.layers.0.encoder_attn.value_proj.weight"
    with pytest.raises(DamagedModelError, match=rf"'{name}' of shape \[2\] instead of \[32, 32\]"):
        read_weights({**tensors, name: torch.ones(2)}, config)
    del tensors[name]
    with pytest.raises(DamagedModelError, match=f"lack '{name}'"):
        read_weights(tensors, config)


def test_a_folded_network_cannot_be_written() -> None:
    from detcli.models.inference_form import optimize

    config = tiny()
    with pytest.raises(ValueError, match="only the state of a complete network in training form"):
        write_weights(optimize(random_network(config)).state_dict(), config)
