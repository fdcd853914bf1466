"""Weights of D-FINE's original repository are recognized by their names and give the Hub's network."""

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.models.dfine import FAMILY
from detcli.models.dfine.config import DFineConfig
from detcli.models.dfine.original_checkpoint import read_original
from detcli.models.dfine.published import Size, published_config
from detcli.models.empty_weights import empty_weights
from detcli.models.family import ConversionHints, ConvertedWeights
from detcli.structures.dataset_labels import COCO_80, PUBLISHED_LABELS
from tests.helpers.dfine_samples import random_network, tiny
from tests.helpers.original_layouts import dfine

NAMES = tuple(f"class {i}" for i in range(5))
HINTS = ConversionHints(labels=NAMES)


def saved(config: DFineConfig, state: dict[str, Tensor], grid_hw: tuple[int, int] = (640, 640)) -> dict[str, Tensor]:
    strides = [down for down, _ in config.backbone.out_strides]
    strides += [strides[-1] << (i + 1) for i in range(config.num_feature_levels - len(strides))]
    return dfine(FAMILY.write_weights(state, config), grid_hw=grid_hw, strides=strides)


def read(tensors: dict[str, Tensor], hints: ConversionHints = HINTS) -> ConvertedWeights:
    original = read_original(tensors, hints)
    assert original is not None
    return original


@pytest.fixture(scope="module")
def config() -> DFineConfig:
    return tiny(eval_idx=-1, num_queries=300, positional_encoding_temperature=10000)


@pytest.fixture(scope="module")
def state(config: DFineConfig) -> dict[str, Tensor]:
    state = dict(random_network(config).state_dict())
    state["decoder.bins.reg_scale"].fill_(8)
    state["decoder.bins.up"].fill_(0.5)
    return state


@pytest.fixture
def tensors(config: DFineConfig, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return saved(config, state)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"d_model": 48, "decoder_n_points": [6, 2], "num_feature_levels": 2, "encoder_in_channels": [32, 40],
         "decoder_in_channels": [32, 32], "encode_proj_layers": [1], "backbone": {"out_indices": [3, 4]}},
        {"backbone": {"use_learnable_affine_block": True}, "num_denoising": 0},
        {"encoder_layers": 2, "encode_proj_layers": [0, 1, 2], "lqe_layers": 3, "max_num_bins": 16, "depth_mult": 2.0},
        {"decoder_layers": 4, "eval_idx": 1, "layer_scale": 1.5},
        {"encode_proj_layers": [], "encoder_ffn_dim": 1024, "learn_initial_query": True, "num_queries": 17, "hidden_expansion": 0.7},
    ],
    ids=["as it is", "two maps, wider", "affines", "all attend", "wider later layers", "learned queries"],
)  # fmt: skip
def test_original_weights_convert_to_the_same_network(changes: dict[str, Any]) -> None:
    config = tiny(**{"num_queries": 300, **changes})
    state = dict(random_network(config).state_dict())
    original = read(saved(config, state))
    assert original.config.pyramid_dim == config.pyramid_dim
    assert original.config.bottlenecks == config.bottlenecks
    told = replace(
        original.config,
        reg_scale=config.reg_scale,  # random networks have random ones
        up=config.up,
        hidden_expansion=config.hidden_expansion,
        depth_mult=config.depth_mult,
    )
    assert told == config
    again = FAMILY.read_weights(original.tensors, original.config)
    assert again.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(again[name], tensor), name


@pytest.mark.parametrize("size", get_args(Size))
def test_every_published_size_gets_the_hubs_configuration(size: Size) -> None:
    config = published_config(size, COCO_80)
    with empty_weights():
        state = dict(FAMILY.build(config).state_dict())
    for name in state:
        if name.endswith("points_scale"):
            state[name] = torch.cat([torch.full((n,), 1 / n) for n in config.decoder_n_points])
    state["decoder.bins.reg_scale"] = torch.tensor([config.reg_scale])
    state["decoder.bins.up"] = torch.tensor([config.up])
    original = read(saved(config, state), ConversionHints())
    assert original.config == config
    assert original.preprocessor["size"] == {"height": 640, "width": 640}
    assert original.notes == (f"recognized as D-FINE-{size.upper()}",)
    assert original.assumed[0] == "the 80 classes are those of COCO"


def test_an_integer_reg_scale_is_read_from_the_weights(tensors: dict[str, Tensor]) -> None:
    for name in ("decoder.reg_scale", "decoder.decoder.reg_scale"):
        tensors[name] = tensors[name].long()
    original = read(tensors)
    assert original.config.reg_scale == 8.0
    state = FAMILY.read_weights(original.tensors, original.config)
    assert torch.equal(state["decoder.bins.reg_scale"], torch.tensor([8.0]))


def test_365_classes_and_an_unused_row_are_those_of_objects365(config: DFineConfig) -> None:
    wide = replace(config, labels=PUBLISHED_LABELS[366])
    assert (
        read(saved(wide, dict(random_network(wide).state_dict())), ConversionHints()).config.labels
        == PUBLISHED_LABELS[366]
    )


def test_missing_class_names_are_an_error(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(UnsupportedModelError, match=r"have 5 classes, .* convert it with `labels`"):
        read(tensors, ConversionHints())
    with pytest.raises(UnsupportedModelError, match=r"have 5 classes, but `labels` has 2 names"):
        read(tensors, ConversionHints(labels=("a", "b")))


# Of each size there is a square, or another rectangle, with as many cells.
@pytest.mark.parametrize(
    "size_hw",
    [(320, 320), (640, 640), (1280, 1280), (288, 512), (576, 1024), (512, 288), (1024, 576), (512, 768), (64, 96),
     (96, 64), (32, 384), (736, 1280), (1088, 1920)],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_stored_anchors_tell_the_size_of_the_images(
    size_hw: tuple[int, int], dtype: torch.dtype, config: DFineConfig, state: dict[str, Tensor]
) -> None:
    tensors = saved(config, state, grid_hw=size_hw)
    tensors["decoder.anchors"] = tensors["decoder.anchors"].to(dtype)
    original = read(tensors)
    assert original.preprocessor["size"] == {"height": size_hw[0], "width": size_hw[1]}
    del tensors["decoder.valid_mask"]
    assert read(tensors).preprocessor == original.preprocessor


def test_anchors_of_two_maps_tell_the_size_too() -> None:
    config = tiny(d_model=48, decoder_n_points=[6, 2], num_feature_levels=2, encoder_in_channels=[32, 40],
                  decoder_in_channels=[32, 32], encode_proj_layers=[1], backbone={"out_indices": [3, 4]})  # fmt: skip
    state = dict(random_network(config).state_dict())
    for size_hw in ((288, 512), (384, 384), (512, 288)):  # as many cells
        assert read(saved(config, state, grid_hw=size_hw)).preprocessor["size"] == {
            "height": size_hw[0],
            "width": size_hw[1],
        }


def test_a_size_that_the_user_gives_wins_and_a_conflict_is_noted(config: DFineConfig, state: dict[str, Tensor]) -> None:
    wide = saved(config, state, grid_hw=(512, 768))
    given = read(wide, ConversionHints(labels=NAMES, image_size_hw=(320, 320)))
    assert given.preprocessor == {"size": {"height": 320, "width": 320}}
    assert any("320 x 320, but its anchors are those of 512 x 768" in note for note in given.notes)
    same = read(wide, ConversionHints(labels=NAMES, image_size_hw=(512, 768)))
    assert not any("anchors" in note for note in same.notes)


def test_a_mask_without_anchors_tells_the_size_where_only_one_fits(tensors: dict[str, Tensor]) -> None:
    del tensors["decoder.anchors"]
    assert read(tensors).preprocessor["size"] == {"height": 640, "width": 640}


def test_a_mask_that_fits_several_sizes_asks_for_the_size(config: DFineConfig, state: dict[str, Tensor]) -> None:
    tensors = saved(config, state, grid_hw=(288, 352))
    del tensors["decoder.anchors"]  # all anchors are valid in small images, whatever their shape
    with pytest.raises(UnsupportedModelError, match=r"288 x 352.*convert it with `image_size`"):
        read(tensors)
    given = ConversionHints(labels=NAMES, image_size_hw=(288, 352))
    assert read(tensors, given).preprocessor["size"] == {"height": 288, "width": 352}


@pytest.mark.parametrize("change", ["count", "values", "mask", "cut"])
def test_anchors_of_no_size_are_damage(change: str, tensors: dict[str, Tensor]) -> None:
    anchors, valid = tensors["decoder.anchors"], tensors["decoder.valid_mask"]
    tensors["decoder.anchors"], tensors["decoder.valid_mask"] = {
        "count": (anchors[:, 1:], valid[:, 1:]),
        "values": (anchors.flip(1), valid.flip(1)),
        "mask": (anchors, ~valid),
        "cut": (anchors.flatten()[1:], valid),
    }[change]
    with pytest.raises(DamagedModelError, match=r"those of no image size"):
        read(tensors)


def test_without_anchors_the_image_size_is_the_published_one(tensors: dict[str, Tensor]) -> None:
    plain = {name: tensor for name, tensor in tensors.items() if "anchors" not in name and "valid_mask" not in name}
    assert read(plain).preprocessor["size"] == {"height": 640, "width": 640}


def test_names_of_another_repository_give_none() -> None:
    assert read_original({"transformer.encoder.layers.0.linear1.weight": torch.ones(1)}, ConversionHints()) is None
    assert read_original({"decoder.dec_score_head.0.weight": torch.ones(80, 256)}, ConversionHints()) is None  # RT-DETR


def test_deployed_weights_are_rejected_with_advice(tensors: dict[str, Tensor]) -> None:
    tensors["encoder.lateral_convs.0.conv_bn_fused.weight"] = tensors.pop("encoder.lateral_convs.0.conv.weight")
    with pytest.raises(UnsupportedModelError, match=r"deploy\(\)"):
        read(tensors)


def test_weights_of_a_backbone_only_are_rejected() -> None:
    with pytest.raises(UnsupportedModelError, match=r"of a backbone \(HGNetV2\) only"):
        read_original({"stem.stem1.conv.weight": torch.ones(1), "stages.0.x": torch.ones(1)}, ConversionHints())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"decoder.dec_seg_head.weight": torch.ones(3)},
            r"'decoder\.dec_seg_head\.weight', which is not a name of D-FINE",
        ),
        ({"encoder.input_proj.0.conv.weight": None}, r"lack 'encoder\.input_proj"),
        ({"decoder.decoder.layers.0.linear1.weight": torch.ones(3)}, r"has shape \[3\]; it must have 2 dimensions"),
        (
            {"decoder.decoder.layers.0.cross_attn.num_points_scale": None},
            r"lack 'decoder\.decoder\.layers\.0\.cross_attn",
        ),
        ({"decoder.up": torch.ones(2)}, r"lack 'decoder\.up'"),
        ({"decoder.decoder.layers.0.self_attn.in_proj_bias": torch.ones(4)}, r"cannot be split into three"),
        ({"decoder.decoder.layers.0.cross_attn.num_points_scale": torch.tensor([0.3, 0.0])}, r"has invalid values"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    change: dict[str, Tensor | None], sentence: str, tensors: dict[str, Tensor]
) -> None:
    changed = {name: tensor for name, tensor in {**tensors, **change}.items() if tensor is not None}
    with pytest.raises(DamagedModelError, match=sentence):
        read(changed)


def test_a_tensor_missing_among_others_is_reported(tensors: dict[str, Tensor]) -> None:
    del tensors["decoder.enc_output.norm.bias"]
    original = read(tensors)
    with pytest.raises(DamagedModelError, match=r"lack 'model\.enc_output\.1\.bias'"):
        FAMILY.read_weights(original.tensors, original.config)
