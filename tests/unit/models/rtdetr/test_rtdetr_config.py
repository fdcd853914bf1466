"""RT-DETR's config.json: read in every form, written for transformers, and refused in words."""

from dataclasses import replace
from typing import Any

import pytest

from detcli.errors import UnsupportedModelError
from detcli.models.family import family_of
from detcli.models.rtdetr import FAMILY
from detcli.models.rtdetr.config import RtDetrConfig, Version, read_config, write_config
from detcli.models.rtdetr.published import published_config
from tests.helpers.rtdetr_samples import tiny, tiny_json

VARIANTS = [f"{version}{size}" for version in ("", "v2-") for size in ("r18vd", "r34vd", "r50vd", "r101vd")]


@pytest.mark.parametrize("variant", [*VARIANTS, "r50vd-m", "r18vd-coco-o365", "docling-layout-heron"])
def test_published_configurations_survive_writing_and_reading(variant: str) -> None:
    config = published_config(variant, ["a", "b"])
    assert read_config(write_config(config)) == config


@pytest.mark.parametrize("model_type", ["rt_detr", "rt_detr_v2"])
def test_a_file_with_little_in_it_is_the_network_of_50_layers(model_type: str) -> None:
    read = read_config({"model_type": model_type, "num_labels": 80})
    expected = published_config("r50vd" if model_type == "rt_detr" else "v2-r50vd", read.labels)
    assert read == expected
    assert family_of({"model_type": model_type}) is FAMILY


def test_all_fields_are_read_and_written() -> None:
    changes = {
        "encoder_layers": 2, "encode_proj_layers": [-1], "positional_encoding_temperature": 20, "num_denoising": 7,
        "encoder_activation_function": "relu", "activation_function": "gelu", "decoder_activation_function": "silu",
        "normalize_before": True, "num_queries": 33, "decoder_layers": 5, "decoder_n_points": [2, 4, 1],
        "decoder_offset_scale": 0.25, "decoder_method": "discrete", "learn_initial_query": True, "layer_norm_eps": 0.1,
        "batch_norm_eps": 0.2, "dropout": 0.3, "attention_dropout": 0.4, "activation_dropout": 0.5,
        "label_noise_ratio": 0.6, "box_noise_scale": 0.7, "initializer_bias_prior_prob": 0.02, "use_focal_loss": False,
        "matcher_alpha": 0.1, "matcher_gamma": 1.1, "matcher_class_cost": 1.2, "matcher_bbox_cost": 1.3,
        "matcher_giou_cost": 1.4, "focal_loss_alpha": 0.15, "focal_loss_gamma": 1.6, "weight_loss_vfl": 1.7,
        "weight_loss_bbox": 1.8, "weight_loss_giou": 1.9, "eos_coefficient": 0.3, "initializer_range": 0.4,
        "auxiliary_loss": False, "with_box_refine": False, "disable_custom_kernels": False,
        "freeze_backbone_batch_norms": False,
    }  # fmt: skip
    read = tiny(2, **changes)
    written = write_config(read)
    assert read.encode_proj_layers == (2,)
    assert {name: written[name] for name in changes} == {**changes, "encode_proj_layers": [2]}
    assert read_config(written) == read
    plain = write_config(tiny(2))
    same = {name for name in changes if plain.get(name) == written[name]}
    assert not same - {"encode_proj_layers"}, "a field that is not read"


def test_other_names_of_transformers_are_read() -> None:
    config = {name: value for name, value in tiny_json().items() if name not in ("d_model", "encoder_attention_heads")}
    assert read_config({**config, "hidden_size": 32, "num_attention_heads": 4}) == tiny()


def test_version_1_has_neither_methods_nor_points_by_level() -> None:
    assert tiny(1, decoder_method="discrete", decoder_offset_scale=3.0) == tiny(1)
    assert not {"decoder_method", "decoder_offset_scale", "decoder_n_levels"} & write_config(tiny(1)).keys()
    with pytest.raises(UnsupportedModelError, match=r"'decoder_n_points' is \[2, 4, 1\]; it must be an integer"):
        tiny(1, decoder_n_points=[2, 4, 1])


def test_sizes_of_images_are_checked_and_not_kept() -> None:
    assert tiny(anchor_image_size=[640, 480], eval_size=640) == tiny()
    with pytest.raises(UnsupportedModelError, match="'eval_size' is 'large'"):
        tiny(eval_size="large")


BOTTLENECK = {"layer_type": "bottleneck"}
INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "another model type": ({"model_type": "rt_detr_v3"}, "'model_type' is 'rt_detr_v3'"),
    "timm": ({"use_timm_backbone": True}, "'use_timm_backbone' is True; it must be false: the only supported backbone"),
    "another backbone": ({"backbone": {"model_type": "hgnet_v2"}}, "'backbone_config.model_type' is 'hgnet_v2'"),
    "odd stem": ({"backbone": {"embedding_size": 7}}, "'backbone_config.embedding_size' is 7; it must be even"),
    "wider first stage": ({"backbone": {"hidden_sizes": [16, 16, 24, 32]}}, r"a list that begins with 8, the embedding_size"),
    "maps of other strides": ({"backbone": {"out_indices": [1, 3, 4]}}, "half the height and width of the one before"),
    "stem and first stage": ({"backbone": {"out_indices": [0, 1, 2]}}, "half the height and width of the one before"),
    "maps of a stride of 64": ({"backbone": {"downsample_in_first_stage": True}}, "maps whose strides divide 32, .* has 64 x 64"),
    "layer type": ({"backbone": {"layer_type": "dense"}}, "'backbone_config.layer_type' is 'dense'"),
    "levels of the decoder": ({"version": 2, "num_feature_levels": 4}, "'decoder_n_levels' is missing; it must be 4"),
    "fewer levels": ({"num_feature_levels": 2}, "'num_feature_levels' is 2"),
    "two levels more": ({"num_feature_levels": 5, "d_model": 48}, "at most 4 where d_model is not the encoder_hidden_dim"),
    "input channels": ({"encoder_in_channels": [16, 24]}, "a list of 3, one for each"),
    "decoder channels": ({"decoder_in_channels": [16] * 3}, "3 times 32, the encoder_hidden_dim"),
    "heads of the encoder": ({"encoder_attention_heads": 3}, "a multiple of 4 and of encoder_attention_heads"),
    "heads of the decoder": ({"decoder_attention_heads": 5}, "a multiple of decoder_attention_heads"),
    "narrow pyramid": ({"hidden_expansion": 0.01}, "large enough for one channel"),
    "method": ({"version": 2, "decoder_method": "cubic"}, "'decoder_method' is 'cubic'; it must be one of default, discrete"),
    "points of too few levels": ({"version": 2, "decoder_n_points": [4, 4]}, r"'decoder_n_points' is \[4, 4\]"),
    "activation": ({"decoder_activation_function": "glu"}, "'decoder_activation_function' is 'glu'"),
    "probability": ({"dropout": 1.5}, "'dropout' is 1.5; it must be a number from 0 to 1"),
    "flag": ({"use_focal_loss": "yes"}, "'use_focal_loss' is 'yes'; it must be true or false"),
    "architecture": ({"architectures": ["RTDetrV2ForObjectDetection"]}, "'architectures' is"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_what_detcli_does_not_have_is_refused_in_words(case: str) -> None:
    changes, words = INVALID[case]
    version: Version = changes.pop("version", 1)
    with pytest.raises(UnsupportedModelError, match=words):
        tiny(version, **changes)


def test_a_bottleneck_may_widen_the_first_stage() -> None:
    config = tiny(backbone={**BOTTLENECK, "hidden_sizes": [16, 24, 32, 40]}, encoder_in_channels=[24, 32, 40])
    assert isinstance(config, RtDetrConfig)
    assert [config.backbone.pools_shortcut(stage) for stage in range(4)] == [False, True, True, True]
    plain = replace(config.backbone, variant_d=False)
    assert not any(plain.pools_shortcut(stage) for stage in range(4))
