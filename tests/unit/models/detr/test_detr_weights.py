"""Weights of every naming are read completely or rejected, and written without loss."""

import dataclasses
import re

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError
from detcli.models.detr.config import DetrConfig
from detcli.models.detr.weights import read_weights, write_weights
from detcli.models.inference_form import optimize
from tests.helpers.detr_samples import SEGMENTING, random_network, tiny

CONFIG = tiny(**SEGMENTING)
DETECTING = tiny(position_embedding_type="learned")


def timm(config: DetrConfig) -> DetrConfig:
    """The same with a timm backbone name."""
    return dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, timm_name="resnet50"))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return dict(random_network(CONFIG).state_dict())


@pytest.fixture
def tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return write_weights(state, CONFIG)


def assert_same(read: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(read[name], tensor), name


@pytest.mark.parametrize("config", [CONFIG, timm(CONFIG), DETECTING, timm(DETECTING)])
def test_written_weights_read_back_unchanged(config: DetrConfig) -> None:
    state = dict(random_network(config).state_dict())
    assert_same(read_weights(write_weights(state, config), config), state)


def test_names_on_disk_are_those_of_the_hub(tensors: dict[str, Tensor]) -> None:
    for name in (
        "detr.model.backbone.conv_encoder.model.embedder.embedder.convolution.weight",
        "detr.model.backbone.conv_encoder.model.encoder.stages.3.layers.0.shortcut.normalization.running_var",
        "detr.model.input_projection.weight",
        "detr.model.query_position_embeddings.weight",
        "detr.model.encoder.layers.0.self_attn.out_proj.bias",
        "detr.model.encoder.layers.1.fc1.weight",
        "detr.model.decoder.layers.1.encoder_attn.k_proj.weight",
        "detr.model.decoder.layers.0.encoder_attn_layer_norm.weight",
        "detr.model.decoder.layers.0.final_layer_norm.bias",
        "detr.model.decoder.layernorm.weight",
        "detr.class_labels_classifier.weight",
        "detr.bbox_predictor.layers.2.bias",
        "bbox_attention.q_linear.weight",
        *(f"mask_head.{layer}.weight" for layer in ("lay1", "gn5", "lay5", "adapter1", "adapter3", "out_lay")),
    ):
        assert name in tensors
    assert len(tensors) == len(random_network(CONFIG).state_dict())


def test_without_masks_there_is_no_prefix() -> None:
    written = write_weights(random_network(timm(DETECTING)).state_dict(), timm(DETECTING))
    for name in (
        "model.backbone.conv_encoder.model.layer4.1.bn3.running_mean",
        "model.backbone.conv_encoder.model.conv1.weight",
        "class_labels_classifier.bias",
        # transformers 5 reads learned positions from the first name, 4.x from the second.
        "model.position_embedding.row_embeddings.weight",
        "model.backbone.position_embedding.row_embeddings.weight",
    ):
        assert name in written
    assert not [name for name in written if name.startswith("detr.")]


def test_written_tensors_do_not_share_memory() -> None:
    written = write_weights(random_network(DETECTING).state_dict(), DETECTING)
    pointers = [tensor.data_ptr() for tensor in written.values() if tensor.numel()]
    assert len(set(pointers)) == len(pointers)


IN_MEMORY = (
    ("backbone.conv_encoder.model.", "backbone.model."),
    (".out_proj.", ".o_proj."),
    (".fc1.", ".mlp.fc1."),
    (".fc2.", ".mlp.fc2."),
    ("bbox_attention.q_linear.", "bbox_attention.q_proj."),
    ("bbox_attention.k_linear.", "bbox_attention.k_proj."),
    ("mask_head.lay1.", "mask_head.conv1.conv."),
    ("mask_head.gn1.", "mask_head.conv1.norm."),
    ("mask_head.lay2.", "mask_head.conv2.conv."),
    ("mask_head.gn2.", "mask_head.conv2.norm."),
    *((f"mask_head.adapter{i}.", f"mask_head.fpn_stages.{i - 1}.fpn_adapter.") for i in (1, 2, 3)),
    *((f"mask_head.lay{i + 2}.", f"mask_head.fpn_stages.{i - 1}.refine.conv.") for i in (1, 2, 3)),
    *((f"mask_head.gn{i + 2}.", f"mask_head.fpn_stages.{i - 1}.refine.norm.") for i in (1, 2, 3)),
    ("mask_head.out_lay.", "mask_head.output_conv."),
)


def test_a_raw_state_dict_of_transformers_is_read(tensors: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in IN_MEMORY:
            name = name.replace(old, new)
        renamed[name] = tensor
    assert len(renamed) == len(tensors)
    assert not [name for name in renamed if re.search(r"lay\d|gn\d|conv_encoder|adapter\d", name)]
    assert_same(read_weights(renamed, CONFIG), state)


def test_both_backbone_namings_work_with_both_configurations(
    tensors: dict[str, Tensor], state: dict[str, Tensor]
) -> None:
    other = timm(CONFIG)
    assert_same(read_weights(tensors, other), state)
    assert_same(read_weights(write_weights(state, other), CONFIG), state)


def test_learned_positions_are_read_under_both_names() -> None:
    state = dict(random_network(DETECTING).state_dict())
    written = write_weights(state, DETECTING)
    for place in ("model.position_embedding.", "model.backbone.position_embedding."):
        kept = {name: tensor for name, tensor in written.items() if not name.startswith(place)}
        assert len(kept) == len(written) - 2
        assert_same(read_weights(kept, DETECTING), state)


def test_duplicates_with_different_values_are_rejected() -> None:
    written = write_weights(random_network(DETECTING).state_dict(), DETECTING)
    written["model.position_embedding.row_embeddings.weight"] += 1
    with pytest.raises(DamagedModelError, match=r"position_embedding\.row_embeddings\.weight"):
        read_weights(written, DETECTING)


def test_batch_counters_are_ignored(tensors: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    for name in ("embedder.embedder.normalization", "bn1", "layer1.0.downsample.1"):
        tensors[f"detr.model.backbone.conv_encoder.model.{name}.num_batches_tracked"] = torch.tensor(7)
    assert_same(read_weights(tensors, CONFIG), state)


def test_half_precision_becomes_float32(tensors: dict[str, Tensor]) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        read = read_weights({name: tensor.to(dtype) for name, tensor in tensors.items()}, CONFIG)
        assert {tensor.dtype for tensor in read.values()} == {torch.float32}


def test_a_missing_tensor_is_named_and_others_are_counted(tensors: dict[str, Tensor]) -> None:
    del tensors["mask_head.lay3.weight"]
    with pytest.raises(DamagedModelError, match=r"lack 'mask_head\.lay3\.weight'$"):
        read_weights(tensors, CONFIG)
    del tensors["detr.model.decoder.layers.1.fc2.bias"]
    with pytest.raises(DamagedModelError, match=r"lack 'detr\.model\.decoder.* and 1 more tensors"):
        read_weights(tensors, CONFIG)


@pytest.mark.parametrize(
    "name",
    [
        "detr.model.decoder.layers.7.fc1.weight",
        "detr.model.backbone.conv_encoder.model.layer9.0.conv1.weight",
        "detr.model.backbone.conv_encoder.model.fc.weight",
        "mask_head.lay6.weight",
        "mask_head.fpn_stages.7.refine.conv.weight",
        "optimizer",
    ],
)
def test_an_unexpected_tensor_is_named(name: str, tensors: dict[str, Tensor]) -> None:
    with pytest.raises(DamagedModelError, match=re.escape(f"no place for '{name}'")):
        read_weights({**tensors, name: torch.zeros(1)}, CONFIG)


def test_mask_head_weights_need_a_mask_head_configuration(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(DamagedModelError, match=r"no place for '(mask_head|bbox_attention)"):
        read_weights(tensors, dataclasses.replace(CONFIG, has_masks=False))


def test_a_tensor_of_wrong_shape_is_named_with_both_shapes(tensors: dict[str, Tensor]) -> None:
    tensors["detr.class_labels_classifier.weight"] = torch.zeros(7, 32)
    with pytest.raises(DamagedModelError, match=r"'detr\.class_labels_classifier\.weight' .*\[7, 32\] .* \[6, 32\]"):
        read_weights(tensors, CONFIG)


def test_integer_weights_are_rejected(tensors: dict[str, Tensor]) -> None:
    tensors["detr.model.input_projection.bias"] = torch.zeros(32, dtype=torch.int8)
    with pytest.raises(DamagedModelError, match=r"'detr\.model\.input_projection\.bias' as int8"):
        read_weights(tensors, CONFIG)


def test_an_optimized_network_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="training form"):
        write_weights(optimize(random_network(CONFIG)).state_dict(), CONFIG)
