"""Weights of DETR's original repository are recognized by their names and give the Hub's network."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.backbones.resnet import ResNetConfig, resnet_variant
from detcli.models.detr import FAMILY
from detcli.models.detr.config import DetrConfig
from detcli.models.detr.original_checkpoint import read_original
from detcli.models.detr.published import published_config
from detcli.models.empty_weights import empty_weights
from detcli.models.family import ConversionHints, ConvertedWeights
from detcli.structures.dataset_labels import PUBLISHED_LABELS
from tests.helpers.original_layouts import detr

NAMES = tuple(f"class {i}" for i in range(4))
HINTS = ConversionHints(labels=NAMES, dilation=False)
TINY = ResNetConfig(
    depths=(1, 2, 1, 1), hidden_sizes=(16, 16, 24, 32), layer_type="basic", embedding_size=8, out_indices=(1, 2, 3, 4)
)


def tiny(**changes: Any) -> DetrConfig:
    """Like the original, but small: the same dropout everywhere."""
    small: dict[str, Any] = {
        "labels": NAMES, "backbone": TINY, "d_model": 32, "num_queries": 7, "encoder_layers": 2, "decoder_layers": 2,
        "encoder_ffn_dim": 24, "decoder_ffn_dim": 40, "attention_dropout": 0.1, "activation_dropout": 0.1,
    }  # fmt: skip
    return DetrConfig(**{**small, **changes})


def drawn(config: DetrConfig) -> dict[str, Tensor]:
    """A random state dict."""
    generator = torch.Generator().manual_seed(0)
    state = FAMILY.build(config).state_dict()
    return {name: torch.randn(tensor.shape, generator=generator) for name, tensor in state.items()}


def shapes(config: DetrConfig) -> dict[str, Tensor]:
    """The tensors of a network without weights."""
    with empty_weights():
        return dict(FAMILY.build(config).state_dict())


def saved(config: DetrConfig, state: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    return detr(FAMILY.write_weights(drawn(config) if state is None else state, config))


def read(tensors: dict[str, Tensor], hints: ConversionHints = HINTS) -> ConvertedWeights:
    original = read_original(tensors, hints)
    assert original is not None
    return original


def read_completely(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    original = read(tensors)
    return FAMILY.read_weights(original.tensors, original.config)


@pytest.mark.parametrize(
    "config",
    [
        tiny(),
        tiny(position_embedding_type="learned"),
        tiny(has_masks=True, d_model=64),
        tiny(backbone=replace(TINY, layer_type="bottleneck", hidden_sizes=(32, 64, 96, 128)), encoder_layers=0,
             encoder_ffn_dim=2048),
    ],
    ids=["as it is", "learned positions", "masks", "bottlenecks, no encoder"],
)  # fmt: skip
def test_original_weights_convert_to_the_same_network(config: DetrConfig) -> None:
    state = drawn(config)
    original = read(saved(config, state))
    assert original.config == config
    again = FAMILY.read_weights(original.tensors, original.config)
    assert again.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(again[name], tensor), name


def test_attention_projections_are_split_and_norms_are_in_order() -> None:
    config = tiny()
    tensors = saved(config)
    hub = read(tensors).tensors
    layer, new = "transformer.decoder.layers.1.", "model.decoder.layers.1."
    assert torch.equal(hub[new + "encoder_attn.k_proj.weight"], tensors[layer + "multihead_attn.in_proj_weight"][32:64])
    assert torch.equal(hub[new + "encoder_attn_layer_norm.bias"], tensors[layer + "norm2.bias"])
    assert torch.equal(hub[new + "self_attn_layer_norm.bias"], tensors[layer + "norm1.bias"])


@pytest.mark.parametrize(
    ("variant", "classes", "description"),
    [
        ("r50", 91, "DETR, R50"),
        ("r101", 91, "DETR, R101"),
        ("r50-dc5", 91, "DETR, R50-DC5"),
        ("r101-dc5", 91, "DETR, R101-DC5"),
        ("r50-panoptic", 250, "DETR with masks, R50"),
        ("r101-panoptic", 250, "DETR with masks, R101"),
        ("r50-dc5-panoptic", 250, "DETR with masks, R50-DC5"),
    ],
)
def test_every_published_model_is_recognized(variant: str, classes: int, description: str) -> None:
    config = published_config(variant, PUBLISHED_LABELS[classes])
    original = read(saved(config, shapes(config)), ConversionHints(dilation="dc5" in variant))
    assert original.config == config
    assert original.notes[0] == f"recognized as {description}"
    assert original.preprocessor == ({"format": "coco_panoptic"} if classes == 250 else {})


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_smaller_backbones_are_recognized_by_their_blocks(name: str) -> None:
    config = tiny(backbone=resnet_variant(name, (1, 2, 3, 4)))
    assert read(saved(config, shapes(config))).config == config


def test_arguments_of_the_training_run_are_used() -> None:
    config = tiny(backbone=resnet_variant("resnet18", (1, 2, 3, 4), dilation=True), encoder_attention_heads=4,
                  decoder_attention_heads=4, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
                  eos_coefficient=0.2, giou_cost=3.0)  # fmt: skip
    args = {"dilation": True, "nheads": 4, "dropout": 0.0, "eos_coef": 0.2, "set_cost_giou": 3, "backbone": "nonsense"}
    assert read(saved(config, shapes(config)), ConversionHints(labels=NAMES, args=args)).config == config
    told = read(saved(config, shapes(config)), ConversionHints(labels=NAMES, args=args, dilation=False)).config
    assert not told.backbone.dilation  # the user's hint has priority


def test_dilation_must_be_given_without_arguments() -> None:
    tensors = saved(tiny())
    with pytest.raises(UnsupportedModelError, match=r"convert it with `dilation`"):
        read(tensors, ConversionHints(labels=NAMES))


def test_an_unknown_dilated_backbone_is_rejected() -> None:
    with pytest.raises(UnsupportedModelError, match=r"dilated, and is not one of resnet18"):
        read(saved(tiny()), ConversionHints(labels=NAMES, dilation=True))


def test_missing_class_names_are_an_error() -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"have 4 classes, and the file does not have their names; convert it with `labels`"
    ):
        read(saved(tiny()), ConversionHints(dilation=False))


def test_weights_for_detectron2_are_rejected() -> None:
    with pytest.raises(UnsupportedModelError, match=r"converted for detectron2"):
        read_original({"detr.backbone.0.backbone.res2.0.conv1.weight": torch.ones(1)}, ConversionHints())


def test_names_of_another_repository_give_none() -> None:
    assert read_original({"decoder.dec_score_head.0.weight": torch.ones(80, 256)}, ConversionHints()) is None
    assert read_original({"transformer.level_embed": torch.ones(4, 256)}, ConversionHints()) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"segm_embed.weight": torch.ones(3)}, r"'segm_embed\.weight', which is not a name of DETR"),
        ({"query_embed.weight": None}, r"lack 'query_embed\.weight'"),
        ({"backbone.0.body.layer2.0.conv1.weight": None}, r"the weights lack"),
        ({"transformer.encoder.layers.0.self_attn.in_proj_weight": torch.ones(4)}, r"cannot be split into three"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Tensor | None], sentence: str) -> None:
    changed = {name: tensor for name, tensor in {**saved(tiny()), **change}.items() if tensor is not None}
    with pytest.raises(DamagedModelError, match=sentence):
        read_completely(changed)
