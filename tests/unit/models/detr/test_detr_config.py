"""config.json of any version of transformers is read, checked and written without loss."""

import json
from typing import Any

import pytest

from detcli.errors import UnsupportedModelError
from detcli.models.backbones.resnet import ResNetConfig, resnet_variant
from detcli.models.detr import FAMILY
from detcli.models.detr.config import DetrConfig, read_config, write_config
from detcli.models.detr.published import published_config
from detcli.models.empty_weights import empty_weights
from detcli.models.family import family_of
from tests.helpers.detr_samples import SEGMENTING, tiny, tiny_json

VARIANTS = ["r50", "r101", "r50-dc5", "r101-dc5", "r50-panoptic", "r50-dc5-panoptic", "r101-panoptic"]


def through_json(config: DetrConfig) -> DetrConfig:
    return read_config(json.loads(json.dumps(write_config(config))))


@pytest.mark.parametrize("variant", VARIANTS)
def test_published_configurations_survive_writing_and_reading(variant: str) -> None:
    config = published_config(variant, ["cat", "dog"])
    assert through_json(config) == config
    assert FAMILY.has_masks(config) == ("panoptic" in variant)


def test_published_dropout_is_that_of_the_authors_code() -> None:
    """transformers' own leaves attention and perceptrons out."""
    config = published_config("r50", ["cat"])
    assert (config.dropout, config.attention_dropout, config.activation_dropout) == (0.1, 0.1, 0.1)


# Source: the original repository, as it was run; in millions, without the buffers of frozen norms.
@pytest.mark.parametrize(
    ("variant", "millions"),
    [("r50", 41.525), ("r50-dc5", 41.525), ("r101", 60.465), ("r50-panoptic", 42.899), ("r101-panoptic", 61.839)],
)
def test_published_networks_have_the_published_size(variant: str, millions: float) -> None:
    with empty_weights():
        network = FAMILY.build(published_config(variant, [str(i) for i in range(250 if "panoptic" in variant else 91)]))
    total = sum(parameter.numel() for parameter in network.parameters())
    assert total / 1e6 == pytest.approx(millions, abs=0.0006)


@pytest.mark.parametrize("variant", ["r18", "r50-dc6", "r50-panoptic-dc5", "", "r50-"])
def test_other_names_are_not_published(variant: str) -> None:
    with pytest.raises(ValueError, match=r"detr-.* is not a published model"):
        published_config(variant, ["cat"])


@pytest.mark.parametrize(
    "changes",
    [
        {"position_embedding_type": "learned"},
        {"class_cost": 2.5, "eos_coefficient": 0.2, "mask_loss_coefficient": 3, "auxiliary_loss": True},
        {"encoder_layers": 0, "activation_function": "gelu", "dropout": 0.0, "activation_dropout": 0.3},
        {"init_std": 0.01, "init_xavier_std": 2, "decoder_layerdrop": 0.1},
        SEGMENTING,
    ],
)
def test_an_unusual_configuration_survives_writing_and_reading(changes: dict[str, Any]) -> None:
    config = tiny(**changes)
    assert through_json(config) == config


def test_missing_fields_have_the_defaults_of_transformers() -> None:
    config = read_config({"model_type": "detr"})
    assert config.labels == ("LABEL_0", "LABEL_1")
    assert config.backbone == resnet_variant("resnet50", (1, 2, 3, 4), timm_name="resnet50")
    assert (config.d_model, config.num_queries, config.encoder_layers, config.decoder_ffn_dim) == (256, 100, 6, 2048)
    assert (config.class_cost, config.bbox_cost, config.giou_cost, config.eos_coefficient) == (1, 5, 2, 0.1)
    assert not config.has_masks


def test_the_oldest_files_of_the_hub_are_read() -> None:
    """As facebook/detr-resnet-101-dc5 has them: no backbone_kwargs, no use_timm_backbone."""
    document = {
        "architectures": ["DetrForObjectDetection"], "model_type": "detr", "backbone": "resnet101", "dilation": True,
        "activation_dropout": 0.0, "attention_dropout": 0.0, "auxiliary_loss": False, "class_cost": 1,
        "classifier_dropout": 0.0, "d_model": 256, "encoder_layerdrop": 0.0, "max_position_embeddings": 1024,
        "num_hidden_layers": 6, "scale_embedding": False, "position_embedding_type": "sine", "transformers_version": "4.9",
        "id2label": {"0": "N/A", "1": "person"},
    }  # fmt: skip
    config = read_config(document)
    assert isinstance(config.backbone, ResNetConfig)
    assert config.backbone == resnet_variant("resnet101", (1, 2, 3, 4), dilation=True)
    assert config.labels == ("N/A", "person")
    assert write_config(config)["encoder_layerdrop"] == 0.0


def test_alternative_field_names_are_accepted() -> None:
    document = {key: value for key, value in tiny_json().items() if key not in ("d_model", "encoder_layers")}
    assert read_config({**document, "hidden_size": 64, "num_hidden_layers": 1}).d_model == 64
    assert read_config({**tiny_json(), "hidden_size": 64, "num_hidden_layers": 9}) == tiny()


def test_the_architecture_decides_about_the_mask_head() -> None:
    assert read_config(tiny_json(**SEGMENTING)).has_masks
    assert write_config(tiny(**SEGMENTING))["architectures"] == ["DetrForSegmentation"]
    assert not read_config(tiny_json(architectures=None)).has_masks


def test_the_family_is_found_by_its_model_type() -> None:
    assert family_of({"model_type": "detr"}) is FAMILY


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"position_embedding_type": "rotary"}, "'position_embedding_type'"),
        ({"activation_function": "gauss"}, "'activation_function'"),
        ({"d_model": 30}, "'d_model'"),
        ({"d_model": 10**9}, "'d_model'"),
        ({"num_queries": 0}, "'num_queries'"),
        ({"encoder_attention_heads": 5}, "'d_model'"),
        ({"decoder_layers": 0}, "'decoder_layers'"),
        ({"dropout": float("nan")}, "'dropout'"),
        ({"eos_coefficient": "0.1"}, "'eos_coefficient'"),
        ({"auxiliary_loss": 1}, "'auxiliary_loss'"),
        ({"architectures": "DetrForSegmentation"}, "'architectures'"),
        ({**SEGMENTING, "encoder_attention_heads": 4}, "'d_model'"),
        ({**SEGMENTING, "backbone": {"out_indices": [3, 4]}}, "'architectures'.*out_indices"),
        ({"backbone": {"model_type": "swin"}}, "'backbone_config.model_type'"),
        ({"id2label": {"0": 1}}, "'id2label.0' is 1; it must be the name of the class: a text in quotes"),
        ({"id2label": {"cat": 0}}, "'id2label' has the key 'cat'; its keys must be class indices"),
    ],
)
def test_an_invalid_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(UnsupportedModelError, match=field):
        tiny(**changes)
