"""Weights of every layout are read completely or rejected, and written for every version."""

import dataclasses
import re

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.weights import read_weights, write_weights
from detcli.models.inference_form import optimize
from tests.helpers.deformable_detr_samples import VARIANTS, random_network, tiny

SHARED, REFINED, TWO_STAGE = (tiny(v, decoder_layers=3) for v in ("", "with-box-refine", "with-box-refine-two-stage"))
ALL = [SHARED, REFINED, TWO_STAGE]
IDS = ["shared", "refined", "two stages"]
LEARNED = tiny(position_embedding_type="learned")


def timm(config: DeformableDetrConfig) -> DeformableDetrConfig:
    """The same with a timm backbone name."""
    return dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, timm_name="resnet18"))


STATES = {id(config): dict(random_network(config).state_dict()) for config in ALL}


def written(config: DeformableDetrConfig) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A state dict and its tensors on disk."""
    state = STATES[id(config)]
    return state, write_weights(state, config)


def assert_same(read: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(read[name], tensor), name


def without(tensors: dict[str, Tensor], pattern: str) -> dict[str, Tensor]:
    kept = {name: tensor for name, tensor in tensors.items() if not re.match(pattern, name)}
    assert len(kept) < len(tensors)
    return kept


@pytest.mark.parametrize("config", [*map(tiny, VARIANTS), LEARNED, timm(SHARED), tiny(num_feature_levels=6)])
def test_written_weights_read_back_unchanged(config: DeformableDetrConfig) -> None:
    state = dict(random_network(config).state_dict())
    assert_same(read_weights(write_weights(state, config), config), state)


def test_names_on_disk_are_those_of_the_hub() -> None:
    _, shared = written(SHARED)
    _, staged = written(TWO_STAGE)
    for name in (
        "model.backbone.conv_encoder.model.embedder.embedder.convolution.weight",
        "model.backbone.conv_encoder.model.encoder.stages.3.layers.0.shortcut.normalization.running_var",
        "model.level_embed",
        "model.input_proj.3.0.weight",
        "model.input_proj.0.1.bias",
        "model.encoder.layers.1.self_attn.sampling_offsets.bias",
        "model.encoder.layers.0.self_attn.output_proj.weight",
        "model.encoder.layers.0.self_attn_layer_norm.weight",
        "model.encoder.layers.0.fc1.weight",
        "model.decoder.layers.2.self_attn.out_proj.bias",
        "model.decoder.layers.0.self_attn.k_proj.weight",
        "model.decoder.layers.0.encoder_attn.value_proj.weight",
        "model.decoder.layers.0.encoder_attn_layer_norm.bias",
        "model.decoder.layers.0.final_layer_norm.bias",
    ):
        assert name in shared
        assert name in staged
    only_shared = {"model.query_position_embeddings.weight", "model.reference_points.weight"}
    only_staged = {f"model.{name}.weight" for name in ("enc_output", "enc_output_norm", "pos_trans", "pos_trans_norm")}
    assert only_shared <= shared.keys() - staged.keys()
    assert only_staged <= staged.keys() - shared.keys()


def test_a_backbone_with_a_timm_name_has_timms_names() -> None:
    tensors = write_weights(random_network(timm(SHARED)).state_dict(), timm(SHARED))
    for name in ("conv1.weight", "bn1.running_mean", "layer4.1.bn2.weight", "layer2.0.downsample.1.bias"):
        assert "model.backbone.conv_encoder.model." + name in tensors


@pytest.mark.parametrize(("config", "top", "below"), [(SHARED, 6, 0), (REFINED, 6, 3), (TWO_STAGE, 8, 8)], ids=IDS)
def test_heads_are_written_for_every_layer(config: DeformableDetrConfig, top: int, below: int) -> None:
    _, tensors = written(config)
    heads = {
        name.partition(".weight")[0] for name in tensors if re.search(r"_embed\.\d\.(weight|layers\.0\.weight)", name)
    }
    assert len([name for name in heads if not name.startswith("model.")]) == top
    assert len([name for name in heads if name.startswith("model.decoder.")]) == below


@pytest.mark.parametrize("config", [*ALL, LEARNED])
def test_written_tensors_do_not_share_memory(config: DeformableDetrConfig) -> None:
    pointers = [tensor.data_ptr() for tensor in write_weights(random_network(config).state_dict(), config).values()]
    assert len(set(pointers)) == len(pointers)


@pytest.mark.parametrize("config", ALL, ids=IDS)
def test_a_raw_state_dict_of_transformers_is_read(config: DeformableDetrConfig) -> None:
    state, tensors = written(config)
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in (
            ("backbone.conv_encoder.model.", "backbone.model."),
            (".out_proj.", ".o_proj."),
            (".fc1.", ".mlp.fc1."),
            (".fc2.", ".mlp.fc2."),
        ):
            name = name.replace(old, new)
        renamed[name] = tensor
    assert renamed.keys() != tensors.keys()
    assert_same(read_weights(renamed, config), state)


def test_both_backbone_namings_work_with_both_configurations() -> None:
    state, tensors = written(REFINED)
    assert_same(read_weights(tensors, timm(REFINED)), state)
    assert_same(read_weights(write_weights(state, timm(REFINED)), REFINED), state)


TOP, BELOW = r"(class|bbox)_embed\.", r"model\.decoder\.(class|bbox)_embed\."


@pytest.mark.parametrize(
    ("config", "dropped"),
    [
        (SHARED, r"(class|bbox)_embed\.[1-9]"),  # tied, as 4.x and 5.8 save them
        (REFINED, r"bbox_embed\."),  # as the Hub has it
        (REFINED, BELOW),
        (TWO_STAGE, TOP),  # as the Hub has it
        (TWO_STAGE, BELOW),
        (TWO_STAGE, r"model\.decoder\.class_embed\.|bbox_embed\."),
    ],
)
def test_heads_are_read_from_both_levels(config: DeformableDetrConfig, dropped: str) -> None:
    state, tensors = written(config)
    assert_same(read_weights(without(tensors, dropped), config), state)


def test_the_decoders_heads_come_first() -> None:
    state, tensors = written(TWO_STAGE)
    mixed = {name: tensor + 1 if re.match(TOP, name) else tensor for name, tensor in tensors.items()}
    assert_same(read_weights(mixed, TWO_STAGE), state)
    assert_same(read_weights(dict(reversed(mixed.items())), TWO_STAGE), state)


@pytest.mark.parametrize("prefix", ["", "model.decoder."])
def test_a_single_head_is_shared_by_all_layers_without_sharing_memory(prefix: str) -> None:
    _, tensors = written(TWO_STAGE)
    kept = without(tensors, f"{TOP}|{BELOW}")
    kept |= {
        name: x for name, x in tensors.items() if name.startswith((f"{prefix}class_embed.0.", f"{prefix}bbox_embed.0."))
    }
    read = read_weights(kept, TWO_STAGE)
    names = [*(f"decoder.class_heads.{i}.weight" for i in range(3)), "query_source.class_head.weight"]
    first, *others = (read[name] for name in names)
    assert all(torch.equal(first, other) for other in others)
    assert len({tensor.data_ptr() for tensor in (first, *others)}) == 4


@pytest.mark.parametrize("config", [REFINED, TWO_STAGE], ids=IDS[1:])
def test_a_layer_without_a_head_is_rejected_if_others_have_one(config: DeformableDetrConfig) -> None:
    """Several heads are never tied: transformers 5.0 and 5.8 tied them, with logits that were far off."""
    _, tensors = written(config)
    with pytest.raises(DamagedModelError, match=r"lack 'class_embed\.1\.weight' and 1 more"):
        read_weights(without(tensors, r"(model\.decoder\.)?class_embed\.1\."), config)


def test_of_several_shared_heads_the_last_counts() -> None:
    _, tensors = written(SHARED)
    tensors["class_embed.2.bias"] = torch.arange(5.0)
    assert torch.equal(read_weights(tensors, SHARED)["decoder.class_heads.0.bias"], torch.arange(5.0))


def test_learned_positions_are_read_under_both_names() -> None:
    state = dict(random_network(LEARNED).state_dict())
    tensors = write_weights(state, LEARNED)
    for place in (r"model\.position_embedding\.", r"model\.backbone\.position_embedding\."):
        assert_same(read_weights(without(tensors, place), LEARNED), state)


def test_duplicates_with_different_values_are_rejected() -> None:
    _, tensors = written(SHARED)
    tensors["model.encoder.layers.0.mlp.fc1.bias"] = tensors["model.encoder.layers.0.fc1.bias"] + 1
    with pytest.raises(DamagedModelError, match=r"fc1\.bias"):
        read_weights(tensors, SHARED)


def test_batch_counters_are_ignored() -> None:
    state, tensors = written(SHARED)
    for name in ("embedder.embedder.normalization", "bn1", "layer1.0.downsample.1"):
        tensors[f"model.backbone.conv_encoder.model.{name}.num_batches_tracked"] = torch.tensor(7)
    assert_same(read_weights(tensors, SHARED), state)


def test_half_precision_becomes_float32() -> None:
    _, tensors = written(SHARED)
    for dtype in (torch.float16, torch.bfloat16):
        read = read_weights({name: tensor.to(dtype) for name, tensor in tensors.items()}, SHARED)
        assert {tensor.dtype for tensor in read.values()} == {torch.float32}


def test_a_missing_tensor_is_named_and_others_are_counted() -> None:
    _, tensors = written(TWO_STAGE)
    tensors = without(tensors, r"model\.(level_embed|enc_output\.)")
    with pytest.raises(DamagedModelError, match=r"lack 'model\.level_embed' and 2 more tensors"):
        read_weights(tensors, TWO_STAGE)


def test_a_missing_head_is_named() -> None:
    _, tensors = written(SHARED)
    with pytest.raises(DamagedModelError, match=r"lack 'class_embed\.0\.weight' and 1 more"):
        read_weights(without(tensors, r"class_embed\."), SHARED)


@pytest.mark.parametrize(
    "name",
    [
        "model.decoder.layers.7.fc1.weight",
        "model.input_proj.9.0.weight",
        "class_embed.3.weight",
        "model.enc_output.weight",
        "model.backbone.conv_encoder.model.fc.weight",
        "model.text_encoder.weight",
        "optimizer",
    ],
)
def test_an_unexpected_tensor_is_named(name: str) -> None:
    _, tensors = written(SHARED)
    with pytest.raises(DamagedModelError, match=f"no place for '{name}'"):
        read_weights({**tensors, name: torch.zeros(1)}, SHARED)


def test_a_tensor_of_wrong_shape_is_named_with_both_shapes() -> None:
    _, tensors = written(SHARED)
    tensors["model.reference_points.weight"] = torch.zeros(4, 32)
    with pytest.raises(DamagedModelError, match=r"'model\.reference_points\.weight' of shape \[4, 32\] .* \[2, 32\]"):
        read_weights(tensors, SHARED)


def test_integer_weights_are_rejected() -> None:
    _, tensors = written(SHARED)
    tensors["model.level_embed"] = torch.zeros(4, 32, dtype=torch.int8)
    with pytest.raises(DamagedModelError, match=r"'model\.level_embed' as int8"):
        read_weights(tensors, SHARED)


def test_an_optimized_network_cannot_be_written() -> None:
    network = optimize(random_network(SHARED))
    with pytest.raises(ValueError, match="training form"):
        write_weights(network.state_dict(), SHARED)
