"""The same random weights in transformers 5.23.0 and here: every size, and every option that changes predictions."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from detcli.models.inference_form import optimize
from detcli.models.rtdetr import FAMILY
from detcli.models.rtdetr.config import Version, read_config
from detcli.models.rtdetr.network import RtDetr, RtDetrDetails
from detcli.models.rtdetr.published import published_config
from tests.helpers.dfine_samples import images
from tests.helpers.rtdetr_parity import assert_equal, names, transformers_model
from tests.helpers.rtdetr_samples import random_network, tiny, tiny_json

transformers = pytest.importorskip("transformers")

FINER = {"out_indices": [1, 2, 3], "out_features": ["stage1", "stage2", "stage3"]}
BOTTLENECK = {"layer_type": "bottleneck", "hidden_sizes": [16, 24, 32, 40]}


@pytest.mark.parametrize("variant", ["r18vd", "v2-r18vd"])
def test_the_smallest_size_gives_the_same_in_float64(variant: str, tmp_path: Path) -> None:
    config = published_config(variant, names(80))
    network = random_network(config)
    assert_equal(network, transformers_model(network, config, tmp_path), images(1, 160, 192))


OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "366 classes": {"id2label": {str(i): str(i) for i in range(366)}},
    "1 class": {"id2label": {"0": "a"}},
    "bottlenecks": {"backbone": BOTTLENECK, "encoder_in_channels": [24, 32, 40]},
    "bottlenecks with the stride first": {
        "backbone": {**BOTTLENECK, "downsample_in_bottleneck": True}, "encoder_in_channels": [24, 32, 40],
    },
    "a first stage that downsamples": {
        "backbone": {"downsample_in_first_stage": True, **FINER}, "encoder_in_channels": [8, 16, 24],
    },
    "a first stage that downsamples to more channels": {
        "backbone": {"downsample_in_first_stage": True, "hidden_sizes": [12, 16, 24, 32], **FINER},
        "encoder_in_channels": [12, 16, 24],
    },
    "bottlenecks in a first stage that downsamples": {
        "backbone": {**BOTTLENECK, "downsample_in_first_stage": True, **FINER}, "encoder_in_channels": [16, 24, 32],
    },
    "two stages of one width": {"backbone": {"hidden_sizes": [8, 16, 16, 32]}, "encoder_in_channels": [16, 16, 32]},
    "backbone with gelu": {"backbone": {"hidden_act": "gelu"}},
    "trainable backbone norms": {"freeze_backbone_batch_norms": False},
    "one map": {
        "backbone": {"out_indices": [4], "out_features": ["stage4"]}, "encoder_in_channels": [32],
        "decoder_in_channels": [32], "num_feature_levels": 1, "encode_proj_layers": [0], "num_queries": 5,
        "decoder_n_levels": 1,
    },
    "two maps, not of the last stage": {
        "backbone": {"out_indices": [2, 3], "out_features": ["stage2", "stage3"]}, "encoder_in_channels": [16, 24],
        "decoder_in_channels": [32, 32], "num_feature_levels": 2, "encode_proj_layers": [1], "decoder_n_levels": 2,
    },
    "128 wide": {
        "encoder_hidden_dim": 128, "decoder_in_channels": [128] * 3, "d_model": 128,
        "encoder_attention_heads": 8, "decoder_attention_heads": 8,
    },
    "decoder wider than encoder": {"d_model": 48},
    "a fourth level": {"num_feature_levels": 4, "decoder_n_levels": 4},
    "a fourth level of another width": {"num_feature_levels": 4, "decoder_n_levels": 4, "d_model": 48},
    "a fourth and a fifth level": {"num_feature_levels": 5, "decoder_n_levels": 5},
    "one point": {"decoder_n_points": 1},
    "seven points": {"decoder_n_points": 7},
    "attention within two maps": {"encode_proj_layers": [1, 2]},
    "attention within no map": {"encode_proj_layers": []},
    "no encoder layer": {"encoder_layers": 0},
    "two encoder layers": {"encoder_layers": 2},
    "norms before": {"normalize_before": True, "encoder_layers": 2},
    "another temperature": {"positional_encoding_temperature": 20},
    "encoder with relu": {"encoder_activation_function": "relu"},
    "pyramid with gelu": {"activation_function": "gelu"},
    "decoder with silu": {"decoder_activation_function": "silu"},
    "wide pyramid": {"hidden_expansion": 1.3},
    "pyramid without a last convolution": {"hidden_expansion": 1.0},
    # With one layer transformers finds nothing to tie its heads to, and raises unless told not to tie them.
    "one decoder layer": {"decoder_layers": 1, "tie_word_embeddings": False},
    "three decoder layers": {"decoder_layers": 3},
    "anchors for this size": {"anchor_image_size": [64, 96]},
    "no refinement, they say": {"with_box_refine": False},
    "another layer_norm_eps": {"layer_norm_eps": 0.1},
    "another batch_norm_eps": {"batch_norm_eps": 0.1},
    "no denoising": {"num_denoising": 0},
    "other heads": {"encoder_attention_heads": 2, "decoder_attention_heads": 8},
    "more queries": {"num_queries": 100},
}  # fmt: skip
SECOND: dict[str, dict[str, Any]] = {
    "sampling the nearest cell": {"decoder_method": "discrete"},
    "far offsets": {"decoder_offset_scale": 1.5},
    "one point, the nearest cell, of two levels": {
        "decoder_method": "discrete", "decoder_n_points": 1, "decoder_offset_scale": -0.7,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "option"), [*((1, name) for name in OPTIONS), *((2, name) for name in (*OPTIONS, *SECOND))]
)
def test_every_option_gives_the_same_in_float64(version: Version, option: str, tmp_path: Path) -> None:
    document = tiny_json(version, **{**OPTIONS, **SECOND}[option])
    config = read_config(document)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path, document)  # transformers reads the very file we read
    assert_equal(network, model, images(2, 64, 96))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("size_hw", [(64, 64), (32, 96), (160, 64), (96, 224)])
def test_any_multiple_of_32_gives_the_same_in_float64(
    version: Version, size_hw: tuple[int, int], tmp_path: Path
) -> None:
    network = random_network(tiny(version))
    assert_equal(network, transformers_model(network, tiny(version), tmp_path), images(2, *size_hw))


@pytest.mark.parametrize("name", ["eval_size", "anchor_image_size"])
def test_a_checkpoint_with_an_image_size_gives_the_same(name: str, tmp_path: Path) -> None:
    """With `eval_size` in its config.json, transformers 5.23 would leave the position grid out."""
    config = tiny(2, **{name: [640, 640]})
    network = random_network(config)
    assert_equal(network, transformers_model(network, config, tmp_path), images(2, 64, 96))


@pytest.mark.parametrize("version", [1, 2])
def test_learned_queries_give_the_same(version: Version, tmp_path: Path) -> None:
    """transformers 5.23 tiles the embedding instead of its weight and raises; the test passes the weight."""
    config = tiny(version, learn_initial_query=True)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path)
    weight = model.model.weight_embedding.weight.detach().double()
    del model.model.weight_embedding
    model.model.weight_embedding = weight
    assert_equal(network, model, images(2, 64, 96))


def test_points_that_differ_by_level_give_the_same(tmp_path: Path) -> None:
    """transformers 5.23 has one number of points; levels with fewer points are those whose other points weigh nothing."""
    config = tiny(2, decoder_n_points=[2, 4, 1])
    network = random_network(config)
    even = random_network(tiny(2))
    state = even.state_dict()
    kept = [0, 1, 4, 5, 6, 7, 8]  # of the twelve points of a head
    for name, tensor in network.state_dict().items():
        if ".points.offsets." in name:
            whole = state[name].view(4, 12, 2, -1).zero_()
            # The scale of each point is a half, a fourth or 1; with four points everywhere it is a fourth.
            factors = torch.tensor([2.0, 2, 1, 1, 1, 1, 4])[None, :, None, None]
            whole[:, kept] = tensor.view(4, 7, 2, -1) * factors
        elif ".points.weights.weight" in name:
            state[name].view(4, 12, -1).zero_()[:, kept] = tensor.view(4, 7, -1)
        elif ".points.weights.bias" in name:
            state[name].view(4, 12).fill_(-1e4)[:, kept] = tensor.view(4, 7)
        elif not name.endswith("points_scale"):
            state[name].copy_(tensor)
    assert_equal(network, transformers_model(even, tiny(2), tmp_path), images(2, 64, 96))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("option", ["as it is", "one decoder layer", "attention within two maps", "no encoder layer"])
@pytest.mark.parametrize("form", ["plain", "folded"])
def test_details_are_those_of_transformers(version: Version, option: str, form: str, tmp_path: Path) -> None:
    document = tiny_json(version, **OPTIONS[option])
    config = read_config(document)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path, document).double()
    pixels = images(2, 64, 96)
    network = network.double()
    if form == "folded":
        optimize(network)
    with torch.inference_mode():
        ours = network(pixels, details=True).details
        theirs = model(pixels, output_attentions=True, output_hidden_states=True)
    best = theirs["enc_outputs_class"].max(-1).values  # transformers keeps the indices of its selection to itself
    theirs["enc_topk_indices"] = best.topk(config.num_queries, dim=1).indices
    assert isinstance(ours, RtDetrDetails)
    for name in RtDetrDetails.__slots__:
        mine, its = getattr(ours, name), theirs.get(name, ())
        mine, its = ([x] if isinstance(x, Tensor) else list(x) for x in (mine, its))
        if name == "cross_attentions":
            its = [x.flatten(3) for x in its]  # version 1 separates levels and points
        assert [x.shape for x in mine] == [x.shape for x in its], name
        for x, y in zip(mine, its, strict=True):
            assert torch.allclose(x, y, rtol=1e-4, atol=1e-4), name


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("source", ["save_pretrained", "state_dict"])
def test_models_saved_by_transformers_give_the_same(version: Version, source: str, tmp_path: Path) -> None:
    model = transformers_model(random_network(tiny(version)), tiny(version), tmp_path / "first")
    model.save_pretrained(tmp_path / "second")
    config = read_config(json.loads((tmp_path / "second" / "config.json").read_text()))
    tensors = model.state_dict() if source == "state_dict" else load_file(tmp_path / "second" / "model.safetensors")
    network = RtDetr(config).eval()
    network.load_state_dict(FAMILY.read_weights(tensors, config), strict=True)
    assert_equal(network, model, images(2, 64, 96))


@pytest.mark.parametrize("version", [1, 2])
def test_new_networks_of_transformers_are_read(version: Version, tmp_path: Path) -> None:
    """Heads of version 2 are tied: the file has one, which all layers share."""
    transformers.set_seed(0)
    kind = "RTDetr" if version == 1 else "RTDetrV2"
    config = getattr(transformers, f"{kind}Config")(**tiny_json(version))
    model = getattr(transformers, f"{kind}ForObjectDetection")(config).eval()
    for head in (*model.model.decoder.class_embed, *model.model.decoder.bbox_embed):
        for parameter in head.parameters():
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    for module in model.modules():  # new norms of transformers multiply by nearly nothing
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    model.save_pretrained(tmp_path)
    read = read_config(json.loads((tmp_path / "config.json").read_text()))
    network = RtDetr(read).eval()
    network.load_state_dict(FAMILY.read_weights(load_file(tmp_path / "model.safetensors"), read), strict=True)
    assert_equal(network, model, images(2, 64, 96))


@pytest.mark.parametrize(
    "variant", ["r18vd", "r34vd", "r50vd", "r101vd", "v2-r18vd", "v2-r34vd", "v2-r50vd", "v2-r101vd"]
)
def test_written_configurations_are_the_same_for_transformers(variant: str, tmp_path: Path) -> None:
    config = published_config(variant, names(3))
    (tmp_path / "config.json").write_text(json.dumps(FAMILY.write_config(config)))
    theirs = transformers.AutoConfig.from_pretrained(tmp_path).to_dict()
    back = read_config(json.loads(json.dumps(theirs)))
    assert dataclasses.replace(back, carried={}) == config
