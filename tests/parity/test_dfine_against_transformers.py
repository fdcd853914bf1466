"""The same random weights in transformers 5.23.0 and here: every size, and every option that changes predictions."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from detcli.models.dfine import FAMILY
from detcli.models.dfine.config import read_config
from detcli.models.dfine.network import DFine, DFineDetails
from detcli.models.dfine.published import Size, published_config
from detcli.models.inference_form import optimize
from detcli.structures.network_io import Outputs
from tests.helpers.dfine_parity import assert_equal, names, transformers_model
from tests.helpers.dfine_samples import distance, images, random_network, tiny, tiny_json

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("size", ["n", "s", "m", "l", "x"])
def test_every_size_gives_the_same_in_float64(size: Size, tmp_path: Path) -> None:
    config = published_config(size, names(80))
    network = random_network(config)
    model = transformers_model(network, config, tmp_path)
    # 300 queries need as many tokens, and the smallest size has two coarse maps: transformers raises below that.
    assert_equal(network, model, images(1, 256, 320) if size == "n" else images(1, 160, 192))


@pytest.mark.parametrize("form", ["plain", "folded"])
@pytest.mark.parametrize("size", ["n", "s", "m"])
def test_detections_agree_in_float32(size: Size, form: str, tmp_path: Path) -> None:
    """Within 0.1 px of 640 and 1e-3 of score. Larger sizes amplify the rounding of random weights too much.

    Images are compared only if the last selected query scores higher than the first rejected one by more than rounding:
    where the two tie, each implementation may select either of them in float32.
    """
    config = published_config(size, names(80))
    network = random_network(config)
    model = transformers_model(network, config, tmp_path)
    pixels = images(3, 256, 320)
    with torch.inference_mode():
        details = network.double()(pixels, details=True).details
        assert isinstance(details, DFineDetails)
        best_scores = details.enc_outputs_class.amax(-1).sort(descending=True).values
        clear = (best_scores[:, config.num_queries - 1] - best_scores[:, config.num_queries]) > 1e-4
        assert clear.any()
        pixels = pixels[clear].float()
        theirs = model(pixels)
        network.float()
        ours = (optimize(network) if form == "folded" else network)(pixels)
    ours = Outputs(ours.logits.sigmoid(), ours.boxes_cxcywh)
    scores, boxes = distance(ours, theirs.logits.sigmoid(), theirs.pred_boxes)
    assert scores < 1e-3
    assert boxes * 640 < 0.1


OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "sampling the nearest cell": {"decoder_method": "discrete"},
    "366 classes": {"id2label": {str(i): str(i) for i in range(366)}},
    "3 classes": {"id2label": {"0": "a", "1": "b", "2": "c"}},
    "1 class": {"id2label": {"0": "a"}},
    "one number of points": {"decoder_n_points": 4},
    "one point": {"decoder_n_points": 1},
    "128 wide": {
        "encoder_hidden_dim": 128, "decoder_in_channels": [128] * 3, "d_model": 128,
        "encoder_attention_heads": 8, "decoder_attention_heads": 8,
    },
    "decoder wider than encoder": {"d_model": 48},
    "a fourth level": {"num_feature_levels": 4, "decoder_n_points": 2},
    "a fourth and a fifth level of another width": {"num_feature_levels": 5, "decoder_n_points": 2, "d_model": 48},
    "one map": {
        "backbone": {"out_indices": [4], "out_features": ["stage4"]}, "encoder_in_channels": [40],
        "decoder_in_channels": [32], "num_feature_levels": 1, "decoder_n_points": 4, "encode_proj_layers": [0],
        "num_queries": 5,
    },
    "four maps": {
        "backbone": {"out_indices": [1, 2, 3, 4], "out_features": ["stage1", "stage2", "stage3", "stage4"]},
        "encoder_in_channels": [16, 24, 32, 40], "decoder_in_channels": [32] * 4, "num_feature_levels": 4,
        "decoder_n_points": 2,
    },
    "attention within two maps": {"encode_proj_layers": [1, 2]},
    "attention within no map": {"encode_proj_layers": []},
    "no encoder layer": {"encoder_layers": 0},
    "two encoder layers": {"encoder_layers": 2},
    "norms before": {"normalize_before": True, "encoder_layers": 2},
    "another temperature": {"positional_encoding_temperature": 20},
    "encoder with relu": {"encoder_activation_function": "relu"},
    "pyramid with gelu_new": {"activation_function": "gelu_new"},
    "pyramid with relu": {"activation_function": "relu"},
    "decoder with silu": {"decoder_activation_function": "silu"},
    "decoder with quick_gelu": {"decoder_activation_function": "quick_gelu"},
    "no bottleneck": {"depth_mult": 0.1},
    "deep and wide pyramid": {"depth_mult": 1.0, "hidden_expansion": 1.3},
    # With one layer transformers 5.x finds nothing to tie its heads to, and raises unless told not to tie them.
    "one decoder layer": {"decoder_layers": 1, "tie_word_embeddings": False},
    "three decoder layers, the last one named": {"decoder_layers": 3, "eval_idx": 2},
    "few bins": {"max_num_bins": 8, "top_prob_values": 9},
    "one peak": {"top_prob_values": 1},
    "quality of one layer": {"lqe_layers": 1},
    "quality of three layers": {"lqe_layers": 3, "lqe_hidden_dim": 7},
    "far offsets": {"decoder_offset_scale": 1.5},
    "large reg_scale": {"reg_scale": 8.0, "up": 0.25},
    "anchors for this size": {"anchor_image_size": [64, 96]},
    "no refinement, they say": {"with_box_refine": False},
    "another layer_norm_eps": {"layer_norm_eps": 0.1},
    "another batch_norm_eps": {"batch_norm_eps": 0.1},
    "no denoising": {"num_denoising": 0},
    "other heads": {"encoder_attention_heads": 2, "decoder_attention_heads": 8},
    "learnable affines": {"backbone": {"use_learnable_affine_block": True}},
    "learnable affines after gelu": {"backbone": {"use_learnable_affine_block": True, "hidden_act": "gelu"}},
    "trainable backbone norms": {"freeze_backbone_batch_norms": False},
    "other kernels and light stages": {
        "backbone": {"stage_kernel_size": [5, 3, 3, 7], "stage_light_block": [True, False, True, False]}
    },
    "strides elsewhere": {
        "backbone": {
            "stem_strides": [2, 1, 1, 1, 1], "stage_downsample": [True] * 4, "stage_downsample_strides": [2, 2, 2, 2]
        }
    },
    "more queries": {"num_queries": 100},
}  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_gives_the_same_in_float64(option: str, tmp_path: Path) -> None:
    document = tiny_json(**OPTIONS[option])
    config = read_config(document)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path, document)  # transformers reads the very file we read
    assert_equal(network, model, images(2, 64, 96))


@pytest.mark.parametrize("size_hw", [(64, 64), (32, 96), (160, 64), (96, 224)])
def test_any_multiple_of_32_gives_the_same_in_float64(size_hw: tuple[int, int], tmp_path: Path) -> None:
    network = random_network(tiny())
    model = transformers_model(network, tiny(), tmp_path)
    assert_equal(network, model, images(2, *size_hw))


@pytest.mark.parametrize("name", ["eval_size", "anchor_image_size"])
def test_a_checkpoint_with_an_image_size_gives_the_same(name: str, tmp_path: Path) -> None:
    """With `eval_size` in its config.json, transformers 5.23 would leave the position grid out."""
    config = tiny(**{name: [640, 640]})
    network = random_network(config)
    assert_equal(network, transformers_model(network, config, tmp_path), images(2, 64, 96))


def test_learned_queries_give_the_same(tmp_path: Path) -> None:
    """transformers 5.23 tiles the embedding instead of its weight and raises; the test passes the weight."""
    config = tiny(learn_initial_query=True)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path)
    weight = model.model.weight_embedding.weight.detach().double()
    del model.model.weight_embedding
    model.model.weight_embedding = weight
    assert_equal(network, model, images(2, 64, 96))


def test_an_earlier_eval_idx_gives_the_same(tmp_path: Path) -> None:
    """transformers 5.23 raises for any `eval_idx` but the last; it runs the network without the later layers instead."""
    config, cut = tiny(decoder_layers=4, eval_idx=1, layer_scale=1.5), tiny(decoder_layers=2)
    network = random_network(config)
    short = DFine(cut)
    expected = short.state_dict().keys()
    short.load_state_dict({name: tensor for name, tensor in network.state_dict().items() if name in expected})
    model = transformers_model(short, cut, tmp_path)
    assert_equal(network, model, images(2, 64, 96))


@pytest.mark.parametrize("option", ["as it is", "one decoder layer", "attention within two maps", "no encoder layer"])
@pytest.mark.parametrize("form", ["plain", "folded"])
def test_details_are_those_of_transformers(option: str, form: str, tmp_path: Path) -> None:
    document = tiny_json(**OPTIONS[option])
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
    assert isinstance(ours, DFineDetails)
    for name in DFineDetails.__slots__:
        mine, its = getattr(ours, name), theirs.get(name, ())
        if name == "intermediate_hidden_states":
            its = its.transpose(0, 1)  # transformers documents images first, and gives layers first
        mine, its = ([x] if isinstance(x, Tensor) else list(x) for x in (mine, its))
        assert [x.shape for x in mine] == [x.shape for x in its], name
        for x, y in zip(mine, its, strict=True):
            assert torch.allclose(x, y, rtol=1e-4, atol=1e-4), name


def test_in_training_every_layer_predicts_as_in_transformers(tmp_path: Path) -> None:
    config = tiny(decoder_layers=3)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path).double().train()
    pixels = images(2, 64, 96)
    ours = network.double().train()(pixels, details=True).details
    theirs = model(pixels)
    assert isinstance(ours, DFineDetails)
    for name in ("intermediate_logits", "intermediate_reference_points", "intermediate_predicted_corners"):
        assert torch.allclose(getattr(ours, name), theirs[name], rtol=1e-6, atol=1e-8), name


@pytest.mark.parametrize("source", ["save_pretrained", "state_dict"])
def test_models_saved_by_transformers_give_the_same(source: str, tmp_path: Path) -> None:
    model = transformers_model(random_network(tiny()), tiny(), tmp_path / "first")
    model.save_pretrained(tmp_path / "second")
    config = read_config(json.loads((tmp_path / "second" / "config.json").read_text()))
    tensors = model.state_dict() if source == "state_dict" else load_file(tmp_path / "second" / "model.safetensors")
    network = DFine(config).eval()
    network.load_state_dict(FAMILY.read_weights(tensors, config), strict=True)
    assert_equal(network, model, images(2, 64, 96))


def test_new_networks_of_transformers_are_read(tmp_path: Path) -> None:
    """Its heads are tied: the file has one, which all layers share."""
    transformers.set_seed(0)
    model = transformers.DFineForObjectDetection(transformers.DFineConfig(**tiny_json())).eval()
    for head in (*model.class_embed, *model.bbox_embed):
        for parameter in head.parameters():
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(tmp_path)
    config = read_config(json.loads((tmp_path / "config.json").read_text()))
    network = DFine(config).eval()
    network.load_state_dict(FAMILY.read_weights(load_file(tmp_path / "model.safetensors"), config), strict=True)
    assert_equal(network, model, images(2, 64, 96))


@pytest.mark.parametrize("size", ["n", "s", "m", "l", "x"])
def test_written_configurations_are_the_same_for_transformers(size: Size, tmp_path: Path) -> None:
    config = published_config(size, names(3))
    (tmp_path / "config.json").write_text(json.dumps(FAMILY.write_config(config)))
    theirs = transformers.DFineConfig.from_pretrained(tmp_path).to_dict()
    back = read_config(json.loads(json.dumps(theirs)))
    assert dataclasses.replace(back, carried={}) == config
