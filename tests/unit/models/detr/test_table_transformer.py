"""Table Transformer is a DETR with norms before attention: its configuration, weights, original files and recipe."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.errors import DamagedModelError, UnsupportedModelError, UsageError
from detcli.models.backbones.resnet import resnet_variant
from detcli.models.detr import FAMILY
from detcli.models.detr.config import DetrConfig, read_config, write_config
from detcli.models.detr.original_checkpoint import read_original
from detcli.models.detr.published import TABLE_TASKS, published_config
from detcli.models.detr.weights import read_weights, write_weights
from detcli.models.empty_weights import empty_weights
from detcli.models.family import ConversionHints, ConvertedWeights, family_of
from detcli.structures.class_labels import ClassLabels
from detcli.training.recipes.published_recipes import recipe_for, recipe_of
from tests.helpers.detr_samples import SEGMENTING, TABLE, random_network, tiny, tiny_json
from tests.helpers.original_layouts import detr

CONFIG = tiny(**TABLE)
NORM = "model.encoder.layernorm.weight"
PUBLISHED = ("table-detect", "table-structure", *(f"table-structure-v1.1-{part}" for part in ("all", "pub", "fin")))


def shapes(config: DetrConfig) -> dict[str, Tensor]:
    """The tensors of a network without weights."""
    with empty_weights():
        return dict(FAMILY.build(config).state_dict())


def original(config: DetrConfig) -> dict[str, Tensor]:
    return detr(write_weights(random_network(config).state_dict(), config))


def read(tensors: dict[str, Tensor], **hints: Any) -> ConvertedWeights:
    converted = read_original(tensors, ConversionHints(**hints))
    assert converted is not None
    return converted


def test_the_model_type_tells_where_the_norms_are() -> None:
    assert family_of(TABLE) is FAMILY
    assert CONFIG.pre_norm
    assert not tiny().pre_norm
    assert not tiny(model_type="detr").pre_norm
    written = write_config(CONFIG)
    assert {name: written[name] for name in TABLE} == TABLE
    assert not {"pre_norm", "normalize_before"} & written.keys()
    assert read_config(written) == CONFIG


def test_the_published_file_is_read() -> None:
    """As microsoft/table-transformer-detection has it, with fields that networks of transformers do not read."""
    document = {
        **TABLE, "backbone": "resnet18", "use_timm_backbone": True, "use_pretrained_backbone": True, "backbone_config": None,
        "dilation": False, "ce_loss_coefficient": 1, "eos_coefficient": 0.4, "num_queries": 15, "max_position_embeddings": 1024,
        "scale_embedding": False, "classifier_dropout": 0.0, "num_hidden_layers": 6, "auxiliary_loss": False,
        "id2label": {"0": "table", "1": "table rotated"}, "label2id": {"table": 0, "table rotated": 1},
    }  # fmt: skip
    config = read_config(document)
    assert config.backbone == resnet_variant("resnet18", (1, 2, 3, 4), timm_name="resnet18")
    assert (config.num_queries, config.eos_coefficient, config.labels) == (15, 0.4, ("table", "table rotated"))
    assert config.pre_norm


@pytest.mark.parametrize("name", ["pre_norm", "normalize_before"])
def test_a_field_against_the_model_type_is_refused(name: str) -> None:
    with pytest.raises(
        UnsupportedModelError, match=rf"'{name}' is True; it must be false, or the model_type 'table-tr"
    ):
        read_config(tiny_json(**{name: True}))
    with pytest.raises(UnsupportedModelError, match=rf"'{name}' is False; it must be true, or the model_type 'detr'"):
        read_config(tiny_json(**TABLE, **{name: False}))
    with pytest.raises(UnsupportedModelError, match=rf"'{name}' is 'yes'; it must be true or false"):
        read_config(tiny_json(**TABLE, **{name: "yes"}))
    assert read_config(tiny_json(**TABLE, **{name: True})) == CONFIG


@pytest.mark.parametrize("name", ["DetrForObjectDetection", "DetrForSegmentation", "TableTransformerModel"])
def test_the_architecture_of_another_network_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=r"it must be TableTransformerForObjectDetection"):
        read_config(tiny_json(**{**TABLE, "architectures": [name]}))
    with pytest.raises(UnsupportedModelError, match=r"it must be DetrForObjectDetection or DetrForSegmentation"):
        read_config(tiny_json(architectures=TABLE["architectures"]))


@pytest.mark.parametrize("changes", [{}, {"position_embedding_type": "learned"}], ids=["sines", "learned"])
@pytest.mark.parametrize("timm", [None, "resnet18"])
def test_weights_of_every_layout_are_read_and_written(changes: dict[str, Any], timm: str | None) -> None:
    config = tiny(**TABLE, **changes)
    config = replace(config, backbone=replace(config.backbone, timm_name=timm))
    state = dict(random_network(config).state_dict())
    written = write_weights(state, config)
    assert NORM in written
    # All versions of transformers have a Table Transformer's learned positions here, unlike a DETR's.
    positions = {name for name in written if "position_embedding." in name}
    assert all(name.startswith("model.backbone.position_embedding.") for name in positions)
    assert len(positions) == (2 if changes else 0)
    again = read_weights(written, config)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def test_a_table_transformer_without_its_last_norm_is_named() -> None:
    weights = write_weights(random_network(tiny()).state_dict(), tiny())
    with pytest.raises(DamagedModelError, match=rf"lack '{NORM}', the norm .* need the model_type 'detr'"):
        read_weights(weights, CONFIG)


def test_a_detr_with_a_norm_after_its_encoder_is_named() -> None:
    weights = write_weights(random_network(CONFIG).state_dict(), CONFIG)
    with pytest.raises(
        DamagedModelError, match=rf"'{NORM}' is the norm .* model_type is 'table-transformer', not 'detr'"
    ):
        read_weights(weights, tiny())
    with pytest.raises(DamagedModelError, match="model_type is 'table-transformer', not 'detr'"):
        read_weights({f"detr.{name}": tensor for name, tensor in weights.items()}, tiny(**SEGMENTING))


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        (NORM, (31,), rf"'{NORM}' of shape \[31\] instead of \[32\]"),
        ("model.query_position_embeddings.weight", (15, 32), r"of shape \[15, 32\] instead of \[12, 32\]"),
        ("class_labels_classifier.weight", (3, 32), r"of shape \[3, 32\] instead of \[6, 32\]"),
    ],
)
def test_weights_of_a_wrong_size_are_named(name: str, shape: tuple[int, ...], sentence: str) -> None:
    weights = write_weights(random_network(CONFIG).state_dict(), CONFIG)
    with pytest.raises(DamagedModelError, match=sentence):
        read_weights({**weights, name: torch.zeros(shape)}, CONFIG)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_original_is_recognized_with_its_classes(name: str) -> None:
    """It has no arguments: what its shapes do not tell is assumed, and a ResNet-18 is never dilated."""
    task = TABLE_TASKS[name.partition("-v1.1")[0]]
    config = published_config(name, task.labels)
    converted = read(detr(write_weights(shapes(config), config)))
    assert converted.config == config
    assert converted.notes == (f"recognized as Table Transformer for {task.title}, R18",)
    assert converted.preprocessor == {"size": {"shortest_edge": task.longest_edge, "longest_edge": task.longest_edge}}
    assert converted.assumed[0].startswith(f"the {len(task.labels)} classes are those of PubTables-1M")
    assert (task.queries, len(task.labels), task.longest_edge) in ((15, 2, 800), (125, 6, 1000))
    assert ClassLabels.from_names(task.labels).category_ids == tuple(range(1, len(task.labels) + 1))


@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
def test_any_original_with_norms_first_converts_to_the_same_network(layer_type: str) -> None:
    config = tiny(**TABLE, backbone={"layer_type": layer_type}, encoder_attention_heads=8, decoder_attention_heads=8,
                  attention_dropout=0.1, activation_dropout=0.1)  # fmt: skip
    hints: dict[str, Any] = {"labels": config.labels, "args": {"pre_norm": True, "dilation": False}}
    converted = read(original(config), **hints)
    assert converted.config == config
    assert converted.notes == ("recognized as DETR with norms before attention, custom ResNet",)
    state = random_network(config).state_dict()
    again = read_weights(converted.tensors, config)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
    if layer_type == "bottleneck":
        with pytest.raises(UnsupportedModelError, match="convert it with `dilation`"):
            read(original(config), labels=config.labels)
    with pytest.raises(UnsupportedModelError, match=r"have 5 classes, .* convert it with `labels`"):
        read(original(config), dilation=False)


@pytest.mark.parametrize(("queries", "classes"), [(15, 6), (125, 2), (100, 2), (12, 6)])
def test_classes_of_tables_are_assumed_for_their_queries_only(queries: int, classes: int) -> None:
    config = tiny(**TABLE, num_queries=queries, id2label={str(index): f"c{index}" for index in range(classes)})
    with pytest.raises(UnsupportedModelError, match=rf"have {classes} classes, .* convert it with `labels`"):
        read(original(config), dilation=False)
    converted = read(original(config), dilation=False, labels=config.labels)
    assert (converted.config.labels, converted.config.eos_coefficient) == (config.labels, 0.1)
    assert converted.preprocessor == {}


def test_a_detr_with_as_many_queries_and_classes_is_no_table() -> None:
    config = tiny(num_queries=15, id2label={"0": "a", "1": "b"})
    with pytest.raises(UnsupportedModelError, match=r"have 2 classes, .* convert it with `labels`"):
        read(original(config), dilation=False)


def test_arguments_that_contradict_the_weights_are_refused() -> None:
    labels = {"labels": CONFIG.labels, "dilation": False}
    with pytest.raises(DamagedModelError, match=r"pre_norm=False, but the weights have 'transformer\.encoder\.norm"):
        read(original(CONFIG), args={"pre_norm": False}, **labels)
    with pytest.raises(DamagedModelError, match=r"pre_norm=True, but the weights lack 'transformer\.encoder\.norm"):
        read(original(tiny()), args={"pre_norm": True}, **labels)
    assert read(original(tiny()), args={"pre_norm": False}, **labels).config.pre_norm is False


def test_masks_with_norms_first_are_refused() -> None:
    masked = tiny(**SEGMENTING)
    tensors = {**original(masked), "detr.transformer.encoder.norm.weight": torch.ones(32)}
    with pytest.raises(UnsupportedModelError, match="trained with masks and --pre_norm"):
        read(tensors, labels=masked.labels, dilation=False)
    with pytest.raises(UsageError, match=r"`masks`: a Table Transformer has no mask head"):
        FAMILY.with_mask_head(CONFIG)
    with pytest.raises(UnsupportedModelError, match="has no mask head"):
        write_config(replace(CONFIG, has_masks=True))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_recipe_is_the_published_one(name: str) -> None:
    recipe, edge = recipe_for(name), 800 if name == "table-detect" else 1000
    assert (recipe.lr, recipe.backbone_lr, recipe.batch, recipe.base_batch) == (5e-5, 1e-5, 2, 2)
    assert (recipe.epochs, recipe.schedule, recipe.gamma) == (20, "step", 0.9)
    assert recipe.milestone_epochs == tuple(range(1, 20))
    assert (recipe.weight_decay, recipe.clip, recipe.ema_decay) == (1e-4, 0.1, 0.0)
    assert (recipe.shortest_edges, recipe.longest_edge) == ((edge,), edge)
    assert (recipe.flip, recipe.random_crop, recipe.photometric) == (0.0, 0.0, 0.0), "text is not mirrored"
    recipe.check()
    assert recipe_of(FAMILY, published_config(name, ["a"])) == recipe
    assert recipe_for(name, scratch=True).backbone_lr == 5e-5


def test_other_names_of_tables_are_not_published() -> None:
    for name in ("table-", "table-cells", "table-detection-v1.1-all"):
        with pytest.raises(ValueError, match=f"{name} is not a published model"):
            published_config(name, ["table"])
