"""config.json of any version of transformers is read, checked and written without loss."""

import json
from typing import Any

import pytest

from detcli.errors import UnsupportedModelError
from detcli.models.backbones.resnet import ResNetConfig, resnet_variant
from detcli.models.deformable_detr.config import DeformableDetrConfig, read_config, write_config
from detcli.models.deformable_detr.published import published_config
from tests.helpers.deformable_detr_samples import VARIANTS, tiny, tiny_json


def through_json(config: DeformableDetrConfig) -> DeformableDetrConfig:
    return read_config(json.loads(json.dumps(write_config(config))))


@pytest.mark.parametrize("variant", VARIANTS)
def test_published_configurations_survive_writing_and_reading(variant: str) -> None:
    config = published_config(variant, ["cat", "dog"])
    assert through_json(config) == config


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder_n_points": 2, "decoder_n_points": 7, "num_feature_levels": 5},
        {"position_embedding_type": "learned", "activation_function": "gelu"},
        {"two_stage": True, "with_box_refine": True, "two_stage_num_proposals": 17},
        {"class_cost": 2, "bbox_loss_coefficient": 2.5, "focal_alpha": 0.5, "auxiliary_loss": True},
        {"dropout": 0.0, "attention_dropout": 0.2, "activation_dropout": 0.3},
        {"init_std": 0.5, "disable_custom_kernels": True, "encoder_layerdrop": 0.25},
        {"use_timm_backbone": True, "backbone": "resnet18", "backbone_config": None},
        {"use_timm_backbone": True, "backbone": "resnet50", "backbone_config": None, "dilation": True},
    ],
)
def test_an_unusual_configuration_survives_writing_and_reading(changes: dict[str, Any]) -> None:
    config = read_config({**tiny_json(), **changes})
    assert config != tiny()
    assert through_json(config) == config


def test_the_five_variants_differ_in_these_fields() -> None:
    facts = {
        variant: (config.num_feature_levels, config.backbone.out_indices, config.with_box_refine, config.two_stage)
        for variant in VARIANTS
        for config in [published_config(variant, ["a"])]
    }
    assert facts == {
        "": (4, (2, 3, 4), False, False),
        "single-scale": (1, (4,), False, False),
        "single-scale-dc5": (1, (4,), False, False),
        "with-box-refine": (4, (2, 3, 4), True, False),
        "with-box-refine-two-stage": (4, (2, 3, 4), True, True),
    }
    backbones = {variant: published_config(variant, ["a"]).backbone for variant in VARIANTS}
    assert [v for v, b in backbones.items() if isinstance(b, ResNetConfig) and b.dilation] == ["single-scale-dc5"]


def test_other_variants_are_rejected() -> None:
    with pytest.raises(ValueError, match="deformable-detr-two-scale is not a published model"):
        published_config("two-scale", ["a"])


# As the files of the Hub have it, of 2022; and as transformers 5 writes the same.
OLDER: dict[str, Any] = {
    "model_type": "deformable_detr", "backbone": "resnet50", "dilation": False, "num_feature_levels": 4,
    "position_embedding_type": "sine", "d_model": 256, "two_stage": False, "torch_dtype": "float32",
    "id2label": {"0": "N/A", "1": "person"}, "transformers_version": "4.22.0.dev0", "return_intermediate": True,
    "num_hidden_layers": 6, "encoder_layerdrop": 0.0, "max_position_embeddings": 1024,
}  # fmt: skip


def newer(**changes: Any) -> dict[str, Any]:
    backbone = {
        "model_type": "timm_backbone", "backbone": "resnet50", "num_channels": 3, "features_only": True,
        "use_pretrained_backbone": False, "out_indices": [2, 3, 4], **changes.pop("backbone", {}),
    }  # fmt: skip
    rest = {name: value for name, value in OLDER.items() if name not in ("backbone", "dilation", "torch_dtype")}
    return {**rest, "dtype": "float32", "backbone_config": backbone, **changes}


def test_old_and_new_files_give_the_same_configuration() -> None:
    config = read_config(OLDER)
    assert config == read_config(newer())
    assert config.backbone == resnet_variant("resnet50", (2, 3, 4), timm_name="resnet50")
    assert config.labels == ("N/A", "person")


def test_old_and_new_files_agree_on_a_single_dilated_level() -> None:
    older = read_config({**OLDER, "num_feature_levels": 1, "dilation": True})
    assert older == read_config(newer(num_feature_levels=1, backbone={"out_indices": [4], "output_stride": 16}))
    assert older.backbone == resnet_variant("resnet50", (4,), dilation=True)


def test_missing_fields_have_the_defaults_of_transformers() -> None:
    config = read_config({"model_type": "deformable_detr"})
    assert config.labels == ("LABEL_0", "LABEL_1")
    assert (config.d_model, config.num_queries, config.queries, config.num_feature_levels) == (256, 300, 300, 4)
    assert (config.encoder_ffn_dim, config.decoder_n_points, config.dropout) == (1024, 4, 0.1)
    assert (config.class_cost, config.bbox_cost, config.giou_cost, config.focal_alpha) == (1, 5, 2, 0.25)


def test_other_names_of_two_fields_are_read() -> None:
    document = tiny_json()
    document |= {"hidden_size": document.pop("d_model"), "num_attention_heads": document.pop("encoder_attention_heads")}
    assert read_config(document) == tiny()


def test_two_stage_models_predict_one_box_per_proposal() -> None:
    assert tiny("with-box-refine-two-stage").queries == 11
    assert tiny("with-box-refine").queries == 12


def test_heads_are_tied_only_if_layers_share_them() -> None:
    assert {v: write_config(published_config(v, ["a"]))["tie_word_embeddings"] for v in VARIANTS} == {
        "": True,
        "single-scale": True,
        "single-scale-dc5": True,
        "with-box-refine": False,
        "with-box-refine-two-stage": False,
    }


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"two_stage": True}, "with_box_refine"),
        ({"num_feature_levels": 2}, "num_feature_levels"),
        ({"num_feature_levels": 0}, "num_feature_levels"),
        ({"num_feature_levels": 10**9}, "num_feature_levels"),
        ({"d_model": 48}, "d_model"),
        ({"d_model": 32.0}, "d_model"),
        ({"encoder_attention_heads": 5}, "encoder_attention_heads"),
        ({"decoder_attention_heads": 3}, "decoder_attention_heads"),
        ({"encoder_n_points": 0}, "encoder_n_points"),
        ({"decoder_layers": 0}, "decoder_layers"),
        ({"position_embedding_type": "rotary"}, "position_embedding_type"),
        ({"activation_function": "evil"}, "activation_function"),
        ({"two_stage_num_proposals": -1}, "two_stage_num_proposals"),
        ({"focal_alpha": float("nan")}, "focal_alpha"),
        ({"with_box_refine": "yes"}, "with_box_refine"),
        ({"bbox_loss_coefficient": None}, "bbox_loss_coefficient"),
        ({"dilation": True, "use_timm_backbone": False, "backbone_config": None}, "dilation"),
        ({"disable_custom_kernels": 3}, "disable_custom_kernels"),
    ],
)
def test_invalid_fields_are_named(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"'{name}'"):
        read_config({**tiny_json(), **changes})


def test_a_complete_backbone_config_needs_no_pretrained_one() -> None:
    """transformers up to 5.0 has that default, and raises without a name."""
    assert write_config(tiny())["use_pretrained_backbone"] is False
    assert write_config(published_config("single-scale-dc5", ["a"]))["use_pretrained_backbone"] is False
