"""Table Transformer in transformers 5.23.0 and here, with the same random weights: every option, size and layout of names."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.models.detr import FAMILY
from detcli.models.detr.config import read_config
from detcli.models.detr.network import DetrDetails
from detcli.models.detr.published import published_config
from detcli.structures.frame import Frame, Origin
from tests.helpers.detr_parity import assert_equal, names, transformers_model
from tests.helpers.detr_samples import TABLE, images, padded, random_network, tiny, tiny_json

SIZES = ((96, 130), (120, 75), (64, 64))
OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "basic blocks, as published": {"backbone": {"layer_type": "basic"}},
    "15 queries of two classes": {"num_queries": 15, "id2label": {"0": "table", "1": "table rotated"}},
    "learned positions": {"position_embedding_type": "learned"},
    "one query": {"num_queries": 1},
    "no encoder layer": {"encoder_layers": 0},
    "one decoder layer": {"decoder_layers": 1},
    "three decoder layers": {"decoder_layers": 3},
    "48 wide": {"d_model": 48, "encoder_attention_heads": 4},
    "gelu": {"activation_function": "gelu"},
    "the third map": {"backbone": {"out_indices": [1, 3]}},
    "no map said": {"backbone": {"out_indices": None}},
    "dropout": {"dropout": 0.5, "attention_dropout": 0.5, "activation_dropout": 0.5},
}


def table_json(**changes: Any) -> dict[str, Any]:
    document = tiny_json(**TABLE, **changes)
    backbone = {key: value for key, value in document["backbone_config"].items() if value is not None}
    return {**document, "backbone_config": backbone}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_gives_the_same_alone_and_padded(name: str, tmp_path: Path) -> None:
    document = table_json(**OPTIONS[name])
    config = read_config(document)
    model = transformers_model(random_network(config), config, tmp_path, document)
    assert type(model).__name__ == "TableTransformerForObjectDetection"
    assert_equal(random_network(config), model, images(2, 96, 130))
    assert_equal(random_network(config), model, *padded(*SIZES))


def test_the_place_of_the_norms_changes_predictions() -> None:
    """The comparisons above would notice a network that ignores it."""
    first = random_network(tiny(**TABLE)).double()
    last = random_network(tiny()).double()
    last.load_state_dict(
        {name: value for name, value in first.state_dict().items() if not name.startswith("encoder.norm")}
    )
    pixels = images(1, 96, 130)
    with torch.inference_mode():
        assert (first(pixels).logits - last(pixels).logits).abs().max() > 0.1


@pytest.mark.parametrize(
    ("name", "classes"), [("table-detect", 2), ("table-structure", 6), ("table-structure-v1.1-fin", 6)]
)
def test_published_sizes_give_the_same(name: str, classes: int, tmp_path: Path) -> None:
    config = published_config(name, names(classes))
    model = transformers_model(random_network(config), config, tmp_path)
    assert_equal(random_network(config), model, images(1, 96, 130))
    assert_equal(random_network(config), model, *padded((96, 130), (64, 100)))


def test_with_auxiliary_losses_predictions_stay_those_of_the_original(tmp_path: Path) -> None:
    """With auxiliary_loss, transformers feeds normalized outputs to the next layer; the original never does."""
    config = tiny(**TABLE, auxiliary_loss=True)
    model = transformers_model(random_network(config), config, tmp_path, FAMILY.write_config(tiny(**TABLE)))
    assert_equal(random_network(config), model, images(1, 96, 130))


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "padded"])
def test_details_are_those_of_transformers(masked: bool, tmp_path: Path) -> None:
    """transformers computes positions in float32 here."""
    config = tiny(**TABLE)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path).double()
    pixels, mask = padded(*SIZES) if masked else (images(2, 96, 130), None)
    with torch.inference_mode():
        theirs = model(pixels, pixel_mask=mask, output_hidden_states=True, output_attentions=True)
        ours = network.double()(pixels, mask, details=True)
    assert isinstance(ours.details, DetrDetails)
    for entry in dataclasses.fields(ours.details):
        found, expected = getattr(ours.details, entry.name), theirs[entry.name]
        for one, other in zip(*((x if isinstance(x, tuple) else (x,)) for x in (found, expected)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6, msg=entry.name)


@pytest.mark.parametrize("changes", [{}, {"position_embedding_type": "learned"}], ids=["sines", "learned"])
def test_files_and_state_dicts_of_transformers_are_read(changes: dict[str, Any], tmp_path: Path) -> None:
    config = tiny(**TABLE, **changes)
    state = random_network(config).state_dict()
    model = transformers_model(random_network(config), config, tmp_path / "ours")
    model.save_pretrained(tmp_path / "theirs")
    again = read_config(json.loads((tmp_path / "theirs" / "config.json").read_text()))
    assert dataclasses.replace(again, carried={}) == config
    for tensors in (load_file(tmp_path / "theirs" / "model.safetensors"), model.state_dict()):
        read = FAMILY.read_weights(tensors, again)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("dilation", [False, True])
def test_the_published_form_with_a_backbone_of_timm_gives_the_same(dilation: bool, tmp_path: Path) -> None:
    """As microsoft/table-transformer-detection has it: ResNet-18 by its name in timm."""
    pytest.importorskip("timm")
    document = {**table_json(), "backbone": "resnet18", "dilation": dilation}
    del document["backbone_config"], document["use_timm_backbone"]
    config = read_config(document)
    model = transformers_model(random_network(config), config, tmp_path)
    assert_equal(random_network(config), model, *padded(*SIZES))
    model.float().save_pretrained(tmp_path / "theirs")
    again = read_config(json.loads((tmp_path / "theirs" / "config.json").read_text()))
    assert dataclasses.replace(again, carried={}) == config
    read = FAMILY.read_weights(load_file(tmp_path / "theirs" / "model.safetensors"), again)
    assert all(torch.equal(read[name], tensor) for name, tensor in random_network(config).state_dict().items())


def test_a_longest_edge_alone_is_refused_by_transformers_and_read_here() -> None:
    """Both edges are the same rule there, but for the rounding of the longer side, which may be a pixel less."""
    processing = pytest.importorskip("transformers.models.detr.image_processing_pil_detr")
    rng = np.random.default_rng(0)
    sizing = Preprocessing.of({"size": {"longest_edge": 80}}, FAMILY)
    for size_hw in ((90, 60), (64, 200), (100, 100), (40, 32)):
        pixels = rng.integers(0, 256, (*size_hw, 3), np.uint8)
        with pytest.raises(ValueError, match="Size must contain 'height' and 'width' keys or 'shortest_edge'"):
            processing.DetrImageProcessorPil(size={"longest_edge": 80})(Image.fromarray(pixels), return_tensors="pt")
        both = processing.DetrImageProcessorPil(size={"shortest_edge": 80, "longest_edge": 80})
        expected = both(Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
        frame = Frame(Origin(0, "a.png", "a.png", "0"), size_hw, pixels)
        assert torch.equal(Preprocessor(sizing, torch.device("cpu")).batch([frame]).pixels, expected), size_hw
