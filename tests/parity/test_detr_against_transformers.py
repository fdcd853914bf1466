"""The same random weights in transformers 5.23.0 and here, for every option that changes predictions."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from detcli.models.detr import FAMILY
from detcli.models.detr.config import read_config
from detcli.models.detr.network import DetrDetails
from detcli.models.detr.published import published_config
from detcli.models.inference_form import optimize
from tests.helpers.detr_parity import MASKS, assert_equal, dilate, names, transformers_model
from tests.helpers.detr_samples import SEGMENTING, images, padded, random_network, tiny, tiny_json

SIZES = ((96, 130), (120, 75), (64, 64))


OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "learned positions": {"position_embedding_type": "learned"},
    "1 class": {"id2label": {"0": "a"}},
    "250 classes": {"id2label": {str(i): str(i) for i in range(250)}},
    "one query": {"num_queries": 1},
    "no encoder layer": {"encoder_layers": 0},
    "one decoder layer": {"decoder_layers": 1},
    "three decoder layers": {"decoder_layers": 3},
    "48 wide": {"d_model": 48, "encoder_attention_heads": 4},
    "gelu": {"activation_function": "gelu"},
    "silu": {"activation_function": "silu"},
    "basic blocks": {"backbone": {"layer_type": "basic"}},
    "version 1 of ResNet": {"backbone": {"downsample_in_bottleneck": True, "downsample_in_first_stage": True}},
    "another activation of the backbone": {"backbone": {"hidden_act": "gelu"}},
    "the third map": {"backbone": {"out_indices": [1, 3]}},
    "the last map alone": {"backbone": {"out_indices": [4], "out_features": ["stage4"]}},
    "no map said": {"backbone": {"out_indices": None}},
    "dropout": {"dropout": 0.5, "attention_dropout": 0.5, "activation_dropout": 0.5},
    "masks": SEGMENTING,
    "masks of narrow maps": {**SEGMENTING, "d_model": 64},
    "masks with gelu": {**SEGMENTING, "activation_function": "gelu"},
    "masks with learned positions": {**SEGMENTING, "position_embedding_type": "learned"},
    "masks by coarser maps": {**SEGMENTING, "backbone": {"out_indices": [0, 2, 3, 4]}},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_gives_the_same_alone_and_padded(name: str, tmp_path: Path) -> None:
    document = tiny_json(**OPTIONS[name])
    document["backbone_config"] = {
        key: value for key, value in document["backbone_config"].items() if value is not None
    }
    config = read_config(document)
    model = transformers_model(random_network(config), config, tmp_path, document)
    assert_equal(random_network(config), model, images(2, 96, 130))
    assert_equal(random_network(config), model, *padded(*SIZES))


def test_training_flags_do_not_change_predictions(tmp_path: Path) -> None:
    """With auxiliary_loss, transformers feeds normalized outputs to the next layer; the original never does."""
    config = tiny(auxiliary_loss=True)
    model = transformers_model(random_network(config), config, tmp_path, FAMILY.write_config(tiny()))
    assert_equal(random_network(config), model, images(1, 96, 130))


@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
def test_a_dilated_backbone_gives_the_same(masks: bool, tmp_path: Path) -> None:
    """transformers dilates only timm's backbones: the test changes its own."""
    plain = tiny(**(SEGMENTING if masks else {}))
    config = dataclasses.replace(
        plain, backbone=dataclasses.replace(plain.backbone, dilation=True, timm_name="resnet50")
    )
    model = transformers_model(
        random_network(config),
        plain,
        tmp_path,
        tensors=FAMILY.write_weights(random_network(config).state_dict(), plain),
    )
    dilate(model)
    assert_equal(random_network(config), model, images(2, 96, 130))
    assert_equal(random_network(config), model, *padded(*SIZES))


def test_predictions_agree_in_float32(tmp_path: Path) -> None:
    """Within 0.1 px of 1333 and 1e-3 of score, in training and inference form."""
    config = published_config("r50-panoptic", names(250))
    network = random_network(config)
    model = transformers_model(network, config, tmp_path)
    pixels, mask = padded((128, 160), (96, 192))
    with torch.inference_mode():
        theirs = model(pixels.float(), pixel_mask=mask)
        for ours in (network(pixels.float(), mask), optimize(network)(pixels.float(), mask)):
            assert (ours.logits.softmax(-1) - theirs.logits.softmax(-1)).abs().max() < 1e-3
            assert (ours.boxes_cxcywh - theirs.pred_boxes).abs().max() * 1333 < 0.1
            assert ours.masks is not None
            assert (ours.masks.sigmoid() - theirs.pred_masks.sigmoid()).abs().max() < MASKS


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
def test_details_are_those_of_transformers(masks: bool, masked: bool, tmp_path: Path) -> None:
    config = tiny(**(SEGMENTING if masks else {}))
    network = random_network(config)
    model = transformers_model(network, config, tmp_path).double()
    pixels, mask = padded(*SIZES) if masked else (images(2, 96, 130), None)
    with torch.inference_mode():
        theirs = model(pixels, pixel_mask=mask, output_hidden_states=True, output_attentions=True)
        training_details = network.double()(pixels, mask, details=True)
        plain = network(pixels, mask)
    assert isinstance(training_details.details, DetrDetails)
    assert plain.details is None
    torch.testing.assert_close(plain.logits, training_details.logits, rtol=1e-9, atol=1e-9)
    for entry in dataclasses.fields(training_details.details):
        ours, expected = getattr(training_details.details, entry.name), theirs[entry.name]
        assert isinstance(ours, tuple) == isinstance(expected, tuple), entry.name
        for one, other in zip(*((x if isinstance(x, tuple) else (x,)) for x in (ours, expected)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9, msg=entry.name)


@pytest.mark.parametrize(
    "changes", [{}, SEGMENTING, {"position_embedding_type": "learned"}], ids=["boxes", "masks", "learned"]
)
def test_files_and_state_dicts_of_transformers_are_read(changes: dict[str, Any], tmp_path: Path) -> None:
    config = tiny(**changes)
    state = random_network(config).state_dict()
    model = transformers_model(random_network(config), config, tmp_path / "ours")
    model.save_pretrained(tmp_path / "theirs")
    document = json.loads((tmp_path / "theirs" / "config.json").read_text())
    again = read_config(document)
    assert dataclasses.replace(again, carried={}) == config
    for tensors in (load_file(tmp_path / "theirs" / "model.safetensors"), model.state_dict()):
        read = FAMILY.read_weights(tensors, again)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("architecture", ["DetrForObjectDetection", "DetrForSegmentation"])
@pytest.mark.parametrize("dilation", [False, True])
def test_with_timm_every_version_of_the_configuration_gives_the_same(
    architecture: str, dilation: bool, tmp_path: Path
) -> None:
    pytest.importorskip("timm")
    document = {**tiny_json(architectures=[architecture]), "backbone": "resnet18", "dilation": dilation}
    del document["backbone_config"], document["use_timm_backbone"]
    config = read_config(document)
    model = transformers_model(random_network(config), config, tmp_path)
    assert_equal(random_network(config), model, *padded(*SIZES))
    model.float().save_pretrained(tmp_path / "theirs")
    again = read_config(json.loads((tmp_path / "theirs" / "config.json").read_text()))
    assert dataclasses.replace(again, carried={}) == config
    read = FAMILY.read_weights(load_file(tmp_path / "theirs" / "model.safetensors"), again)
    assert all(torch.equal(read[name], tensor) for name, tensor in random_network(config).state_dict().items())


@pytest.mark.parametrize("name", ["resnet10t", "resnet18"])
@pytest.mark.parametrize("out_indices", [[1, 2, 3, 4], [2, 3, 4]], ids=str)
def test_with_timm_any_of_its_backbones_gives_the_same(name: str, out_indices: list[int], tmp_path: Path) -> None:
    pytest.importorskip("timm")
    document = {**tiny_json(**SEGMENTING), "backbone": name, "backbone_kwargs": {"out_indices": out_indices}}
    del document["backbone_config"], document["use_timm_backbone"]
    config = read_config(document)
    model = transformers_model(random_network(config), config, tmp_path)
    assert_equal(random_network(config), model, *padded(*SIZES))
