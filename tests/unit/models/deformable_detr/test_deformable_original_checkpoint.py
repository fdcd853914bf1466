"""Weights of Deformable DETR's original repository are recognized by their names and give the Hub's network."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.deformable_detr import FAMILY
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.original_checkpoint import read_original
from detcli.models.deformable_detr.published import published_config
from detcli.models.empty_weights import empty_weights
from detcli.models.family import ConversionHints, ConvertedWeights
from detcli.structures.dataset_labels import PUBLISHED_LABELS
from tests.helpers.original_layouts import deformable_detr

NAMES = tuple(f"class {i}" for i in range(4))
HINTS = ConversionHints(labels=NAMES, dilation=False)
TINY = ResNetConfig(
    depths=(1, 2, 1, 1), hidden_sizes=(16, 16, 24, 32), layer_type="basic", embedding_size=8, out_indices=(2, 3, 4)
)


def tiny(**changes: Any) -> DeformableDetrConfig:
    """Like the original, but small."""
    small: dict[str, Any] = {
        "labels": NAMES, "backbone": TINY, "d_model": 32, "num_queries": 7, "two_stage_num_proposals": 7,
        "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 24, "decoder_ffn_dim": 40, "encoder_n_points": 2,
        "decoder_n_points": 3, "attention_dropout": 0.1, "activation_dropout": 0.1, "class_cost": 2.0,
    }  # fmt: skip
    return DeformableDetrConfig(**{**small, **changes})


def drawn(config: DeformableDetrConfig) -> dict[str, Tensor]:
    """A random state dict."""
    generator = torch.Generator().manual_seed(0)
    state = FAMILY.build(config).state_dict()
    return {name: torch.randn(tensor.shape, generator=generator) for name, tensor in state.items()}


def saved(config: DeformableDetrConfig, state: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    return deformable_detr(FAMILY.write_weights(drawn(config) if state is None else state, config))


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
        tiny(num_feature_levels=1, backbone=replace(TINY, out_indices=(4,))),
        tiny(with_box_refine=True),
        tiny(with_box_refine=True, two_stage=True, num_queries=300, two_stage_num_proposals=300),
        tiny(position_embedding_type="learned"),
    ],
    ids=["heads shared", "single scale", "heads of their own", "two stages", "learned positions"],
)
def test_original_weights_convert_to_the_same_network(config: DeformableDetrConfig) -> None:
    state = drawn(config)
    original = read(saved(config, state))
    assert original.config == config
    again = FAMILY.read_weights(original.tensors, original.config)
    assert again.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(again[name], tensor), name


def test_the_first_decoder_norm_follows_the_cross_attention() -> None:
    tensors = saved(tiny())
    hub = read(tensors).tensors
    layer, new = "transformer.decoder.layers.1.", "model.decoder.layers.1."
    assert torch.equal(hub[new + "encoder_attn_layer_norm.bias"], tensors[layer + "norm1.bias"])
    assert torch.equal(hub[new + "self_attn_layer_norm.bias"], tensors[layer + "norm2.bias"])
    assert torch.equal(hub[new + "self_attn.v_proj.bias"], tensors[layer + "self_attn.in_proj_bias"][64:])


@pytest.mark.parametrize(
    ("variant", "description"),
    [
        ("", "R50, 4 levels"),
        ("single-scale", "R50, single-scale"),
        ("single-scale-dc5", "R50-DC5, single-scale"),
        ("with-box-refine", "R50, 4 levels, box refinement"),
        ("with-box-refine-two-stage", "R50, 4 levels, box refinement, two-stage"),
    ],
)
def test_every_published_model_is_recognized(variant: str, description: str) -> None:
    config = published_config(variant, PUBLISHED_LABELS[91])
    with empty_weights():
        state = dict(FAMILY.build(config).state_dict())
    original = read(
        saved(config, state), ConversionHints(args={"dilation": variant.endswith("dc5"), "num_queries": 300})
    )
    assert replace(original.config, class_cost=config.class_cost) == config
    assert original.notes[0] == f"recognized as Deformable DETR, {description}"


def test_arguments_of_the_training_run_are_used() -> None:
    config = tiny(encoder_attention_heads=4, decoder_attention_heads=4, with_box_refine=True, two_stage=True,
                  num_queries=50, two_stage_num_proposals=50, focal_alpha=0.3)  # fmt: skip
    args = {"dilation": False, "nheads": 4, "num_queries": 50, "focal_alpha": 0.3}
    assert read(saved(config), ConversionHints(labels=NAMES, args=args)).config == config


def test_dilation_must_be_given_without_arguments() -> None:
    with pytest.raises(UnsupportedModelError, match=r"convert it with `dilation`"):
        read(saved(tiny()), ConversionHints(labels=NAMES))


def test_a_mask_head_is_rejected() -> None:
    tensors = {f"detr.{name}": tensor for name, tensor in saved(tiny()).items()}
    with pytest.raises(UnsupportedModelError, match=r"Deformable DETR with a mask head"):
        read_original(tensors, HINTS)


def test_names_of_another_repository_give_none() -> None:
    assert read_original({"decoder.dec_score_head.0.weight": torch.ones(80, 256)}, ConversionHints()) is None
    assert (
        read_original({"transformer.decoder.layers.0.multihead_attn.in_proj_weight": torch.ones(3)}, ConversionHints())
        is None
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label_enc.weight": torch.ones(3)}, r"'label_enc\.weight', which is not a name of Deformable DETR"),
        ({"query_embed.weight": None}, r"lack 'query_embed\.weight'"),
        ({"transformer.level_embed": torch.ones(3, 32)}, r"does not fit 8 heads and 3 levels"),
        ({"class_embed.2.bias": None, "class_embed.0.bias": None, "class_embed.1.bias": None}, r"lack 'class_embed"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Tensor | None], sentence: str) -> None:
    changed = {name: tensor for name, tensor in {**saved(tiny()), **change}.items() if tensor is not None}
    with pytest.raises(DamagedModelError, match=sentence):
        read_completely(changed)
