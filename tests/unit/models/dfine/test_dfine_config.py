"""config.json of any version of transformers is read, checked and written without loss."""

import json
from typing import Any

import pytest

from detcli.errors import UnsupportedModelError
from detcli.models.dfine.config import DFineConfig, read_config, write_config
from detcli.models.dfine.published import Size, published_config
from tests.helpers.dfine_samples import tiny, tiny_json

SIZES: list[Size] = ["n", "s", "m", "l", "x"]


def through_json(config: DFineConfig) -> DFineConfig:
    return read_config(json.loads(json.dumps(write_config(config))))


@pytest.mark.parametrize("size", SIZES)
def test_published_configurations_survive_writing_and_reading(size: Size) -> None:
    config = published_config(size, ["cat", "dog"])
    assert through_json(config) == config


@pytest.mark.parametrize(
    "changes",
    [
        {"decoder_n_points": 5},
        {"eval_idx": 0, "layer_scale": 2},
        {"num_denoising": 0, "initializer_bias_prior_prob": 0.01},
        {"weight_loss_vfl": 2.5, "use_focal_loss": False},
        {"backbone": {"stem_strides": [[2, 2], 1, 1, [2, 2], 1], "out_indices": [1, 2, 3]}},
        {"positional_encoding_temperature": 20.5},
    ],
)
def test_an_unusual_configuration_survives_writing_and_reading(changes: dict[str, Any]) -> None:
    if changes.get("backbone", {}).get("out_indices"):
        changes = changes | {"encoder_in_channels": [16, 24, 32]}
    config = tiny(**changes)
    assert through_json(config) == config


def test_missing_fields_have_the_defaults_of_transformers() -> None:
    config = read_config({"model_type": "d_fine"})
    assert config.labels == ("LABEL_0", "LABEL_1")
    assert config.backbone.out_channels == (512, 1024, 2048)
    assert (config.decoder_layers, config.eval_idx, config.decoder_n_points) == (6, 5, (4, 4, 4))
    assert (config.d_model, config.num_queries, config.num_denoising) == (256, 300, 100)


def test_unknown_fields_are_ignored() -> None:
    older = {"backbone": None, "use_timm_backbone": False, "backbone_kwargs": None, "torch_dtype": "float32"}
    newer = {"dtype": "bfloat16", "head_dim": 4, "auto_map": {"AutoModel": "evil.py"}, "novelty": [{"a": float("nan")}]}
    assert read_config(tiny_json() | older) == read_config(tiny_json() | newer) == tiny()


def test_training_fields_are_kept_for_saving() -> None:
    written = write_config(tiny(matcher_alpha=0.5, with_box_refine=False, weight_loss_ddf=3))
    assert (written["matcher_alpha"], written["with_box_refine"], written["weight_loss_ddf"]) == (0.5, False, 3)


@pytest.mark.parametrize("name", ["eval_size", "anchor_image_size"])
def test_an_image_size_in_the_configuration_does_not_reach_the_network(name: str) -> None:
    assert tiny(**{name: [64, 96]}) == tiny(**{name: 64}) == tiny()


def test_eval_idx_counts_from_both_ends() -> None:
    assert tiny(decoder_layers=4, eval_idx=-2) == tiny(decoder_layers=4, eval_idx=2)


def test_maps_may_be_named_numbered_or_counted_from_the_end() -> None:
    by_index = tiny()
    by_name = tiny_json()
    del by_name["backbone_config"]["out_indices"]
    assert read_config(by_name) == by_index
    assert tiny(backbone={"out_indices": [-3, -2, -1]}) == by_index


@pytest.mark.parametrize("strides", [[2, 2, 2, 4], [2, 2, 2, [2, 4]]])
def test_maps_that_images_of_multiples_of_32_do_not_have_are_refused(strides: list[Any]) -> None:
    with pytest.raises(UnsupportedModelError, match=r"half the height and width|whose strides divide 32"):
        tiny(backbone={"stage_downsample_strides": strides})
    stem = {"stem_strides": [2, 1, 1, 4, 1]}
    with pytest.raises(
        UnsupportedModelError, match=r"'backbone_config\.out_indices' .* whose strides divide 32, .* 64 x 64"
    ):
        tiny(backbone=stem)


def test_num_labels_counts_classes_without_names() -> None:
    config = tiny_json(num_labels=3)
    del config["id2label"]
    assert read_config(config).labels == ("LABEL_0", "LABEL_1", "LABEL_2")


def test_missing_class_names_are_numbered() -> None:
    assert tiny(id2label={"2": "c", "0": "a", "7": "x"}).labels == ("a", "LABEL_1", "c")


REFUSED: list[tuple[str, Any]] = [
    ("d_model", 10**9),
    ("d_model", "256"),
    ("d_model", 256.0),
    ("d_model", True),
    ("d_model", None),
    ("d_model", float("nan")),
    ("d_model", 30),
    ("encoder_hidden_dim", 34),
    ("encoder_hidden_dim", [32]),
    ("encoder_layers", -1),
    ("encoder_in_channels", [1, 2]),
    ("decoder_in_channels", [64, 64, 64]),
    ("decoder_layers", 0),
    ("decoder_layers", 10**6),
    ("decoder_n_points", [3, 6]),
    ("decoder_n_points", [3, 6, "3"]),
    ("decoder_n_points", 0),
    ("decoder_method", "cubic"),
    ("decoder_method", ["default"]),
    ("decoder_activation_function", "xielu"),
    ("activation_function", None),
    ("encode_proj_layers", [3]),
    ("eval_idx", 2),
    ("eval_size", "640"),
    ("layer_scale", float("inf")),
    ("layer_norm_eps", "1e-5"),
    ("layer_norm_eps", float("nan")),
    ("num_feature_levels", 2),
    ("num_queries", 10**9),
    ("max_num_bins", 31),
    ("max_num_bins", 2),
    ("top_prob_values", 34),
    ("hidden_expansion", 0),
    ("depth_mult", 1e9),
    ("normalize_before", 1),
    ("freeze_backbone_batch_norms", "yes"),
    ("reg_scale", 0),
    ("weight_loss_vfl", "1"),
    ("use_timm_backbone", True),
    ("id2label", {}),
    ("id2label", ["a"]),
    ("id2label", {"0": 1}),
    ("id2label", {"first": "a"}),
    ("backbone_config", "hgnet_v2"),
    ("backbone_config.model_type", "resnet"),
    ("backbone_config.num_channels", 1),
    ("backbone_config.stem_channels", [3, 7, 8]),
    ("backbone_config.stem_channels", [3, 8]),
    ("backbone_config.stem_strides", [2, 2, 1, 1, 1]),
    ("backbone_config.stage_mid_channels", [8, 8, 16]),
    ("backbone_config.stage_in_channels", [8, 16, 24, 10**9]),
    ("backbone_config.stage_in_channels", [8, 16, 24, 48]),
    ("backbone_config.stage_out_channels", [16, 24, 32, 41]),
    ("backbone_config.stage_num_blocks", [10**9] * 4),
    ("backbone_config.stage_numb_of_layers", [64, 64, 64, 1024]),
    ("backbone_config.stage_kernel_size", [2, 3, 3, 3]),
    ("backbone_config.stage_light_block", [0, 0, 1, 1]),
    ("backbone_config.out_indices", [4, 3, 2]),
    ("backbone_config.out_indices", [2, 3, 9]),
    ("backbone_config.out_indices", [2, 4]),
    ("backbone_config.use_learnable_affine_block", "no"),
    ("backbone_config.hidden_act", "prelu"),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_an_invalid_value_is_rejected_with_the_field_name(field: str, value: Any) -> None:
    config = tiny_json()
    place, _, name = field.rpartition(".")
    (config[place] if place else config)[name] = value
    with pytest.raises(UnsupportedModelError, match=r"config\.json: '") as refusal:
        read_config(config)
    assert field in str(refusal.value)
    assert "must be" in str(refusal.value)


@pytest.mark.parametrize(
    "value",
    [10**100_000, [10**100_000], "x" * 10**6, [["deep"]] * 1000],
    ids=["a number", "a number in a list", "a word", "a list"],
)
def test_the_message_is_short_for_long_values(value: Any) -> None:
    with pytest.raises(UnsupportedModelError) as refusal:
        read_config(tiny_json(d_model=value))
    assert len(str(refusal.value)) < 300


def test_endless_nesting_is_rejected() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(UnsupportedModelError, match="decoder_n_points"):
        read_config(tiny_json(decoder_n_points=nested))
    while nested:  # or its deletion would overflow the stack of some Pythons
        nested = nested[0]
