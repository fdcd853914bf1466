"""The same random weights in transformers 5.23.0 and here: every variant, and every option that changes predictions."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from detcli.models.deformable_detr import FAMILY
from detcli.models.deformable_detr.config import read_config
from detcli.models.deformable_detr.network import DeformableDetr, DeformableDetrDetails
from detcli.models.deformable_detr.published import published_config
from detcli.models.inference_form import optimize
from detcli.structures.network_io import Outputs
from tests.helpers.deformable_detr_parity import NATIVE, answers, apart, assert_equal, transformers_model
from tests.helpers.deformable_detr_samples import VARIANTS, padded, random_network, tiny, tiny_json
from tests.helpers.dfine_samples import images

transformers = pytest.importorskip("transformers")

SIZES = [(96, 128), (72, 160)]  # of two images padded to 96 x 160


def batch() -> tuple[Tensor, Tensor]:
    """Two images padded to one size."""
    return padded(images(2, 96, 160), SIZES)


@pytest.mark.parametrize("variant", NATIVE)
def test_every_variant_gives_the_same_in_float64(variant: str, tmp_path: Path) -> None:
    config = tiny(variant)
    network = random_network(config)
    assert_equal(network, transformers_model(network, config, tmp_path), images(1, 112, 160))


@pytest.mark.parametrize("variant", NATIVE)
def test_padded_batches_give_the_same_in_float64(variant: str, tmp_path: Path) -> None:
    config = tiny(variant)
    network = random_network(config)
    assert_equal(network, transformers_model(network, config, tmp_path), *batch())


def dilated(folder: Path, *, padding: bool) -> None:
    """transformers' own ResNet is never dilated: the test changes its last stage."""
    config = tiny("single-scale-dc5")
    network = random_network(config)
    outs = {"out_indices": [4], "out_features": ["stage4"]}
    backbone = {"hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "embedding_size": 64, **outs}
    native = tiny("single-scale", backbone=backbone)
    twin = DeformableDetr(native)
    twin.load_state_dict(network.state_dict())
    model = transformers_model(twin, native, folder)
    for block, layer in enumerate(model.model.backbone.model.encoder.stages[3].layers):
        for convolution in (module for module in layer.modules() if isinstance(module, nn.Conv2d)):
            convolution.stride = (1, 1)
            if convolution.kernel_size == (3, 3):
                first = block == 0 and convolution is layer.layer[0].convolution
                convolution.dilation = convolution.padding = (1, 1) if first else (2, 2)
    assert_equal(network, model, *(batch() if padding else (images(1, 112, 160), None)))


@pytest.mark.parametrize("padding", [False, True])
def test_a_dilated_backbone_gives_the_same_in_float64(padding: bool, tmp_path: Path) -> None:
    dilated(tmp_path, padding=padding)


@pytest.mark.parametrize("form", ["plain", "folded"])
@pytest.mark.parametrize("variant", NATIVE)
def test_detections_agree_in_float32(variant: str, form: str, tmp_path: Path) -> None:
    """Within 0.1 px of 1333 and 1e-3 of score."""
    config = tiny(variant)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path)
    pixels, mask = batch()
    with torch.inference_mode():
        theirs = answers(model, pixels.float(), mask)
        ours = (optimize(network) if form == "folded" else network)(pixels.float(), mask)
    ours = Outputs(ours.logits.sigmoid(), ours.boxes_cxcywh)
    scores, boxes = apart(ours, theirs.logits.sigmoid(), theirs.pred_boxes)
    assert scores < 1e-3
    assert boxes * 1333 < 0.1


OPTIONS: dict[str, dict[str, Any]] = {
    "one class": {"id2label": {"0": "a"}},
    "one point": {"encoder_n_points": 1, "decoder_n_points": 1},
    "unlike points": {"encoder_n_points": 3, "decoder_n_points": 5, "with_box_refine": True},
    "two levels of three maps, and a third": {
        "backbone": {"out_indices": [3, 4], "out_features": ["stage3", "stage4"]}, "num_feature_levels": 3,
    },
    "three levels": {"num_feature_levels": 3},
    "six levels": {"num_feature_levels": 6},
    "one map, three levels": {
        "backbone": {"out_indices": [4], "out_features": ["stage4"]}, "num_feature_levels": 3,
    },
    "64 wide": {"d_model": 64, "with_box_refine": True, "two_stage": True},
    "learned positions": {"position_embedding_type": "learned"},
    "unlike heads": {"encoder_attention_heads": 2, "decoder_attention_heads": 8},
    "unlike perceptrons": {"encoder_ffn_dim": 24, "decoder_ffn_dim": 72},
    "gelu": {"activation_function": "gelu"},
    "silu": {"activation_function": "silu"},
    "no encoder layer": {"encoder_layers": 0},
    # With one layer transformers 5.x finds nothing to tie its heads to, and raises unless told not to tie them.
    "one decoder layer": {"decoder_layers": 1, "encoder_layers": 1, "tie_word_embeddings": False},
    "one decoder layer that refines": {"decoder_layers": 1, "with_box_refine": True},
    "three decoder layers that refine": {"decoder_layers": 3, "with_box_refine": True},
    "more queries": {"num_queries": 40},
    "more proposals": {"with_box_refine": True, "two_stage": True, "two_stage_num_proposals": 40},
    "auxiliary losses": {"auxiliary_loss": True},
    "bottlenecks, and a backbone that halves early": {
        "backbone": {"layer_type": "bottleneck", "downsample_in_first_stage": True}
    },
}  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_gives_the_same_in_float64(option: str, tmp_path: Path) -> None:
    document = tiny_json(**OPTIONS[option])
    config = read_config(document)
    network = random_network(config)
    own = FAMILY.write_config(config)
    if "tie_word_embeddings" in document:
        own["tie_word_embeddings"] = document["tie_word_embeddings"]
    assert_equal(network, transformers_model(network, config, tmp_path, own), *batch())


@pytest.mark.parametrize("form", ["plain", "folded"])
@pytest.mark.parametrize("variant", NATIVE)
def test_details_are_those_of_transformers(variant: str, form: str, tmp_path: Path) -> None:
    config = tiny(variant)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path).double()
    pixels, mask = batch()
    network = network.double()
    if form == "folded":
        optimize(network)
    with torch.inference_mode():
        ours = network(pixels, mask, details=True).details
        theirs = model(pixels, pixel_mask=mask.long(), output_attentions=True, output_hidden_states=True)
    assert isinstance(ours, DeformableDetrDetails)
    for name in DeformableDetrDetails.__slots__:
        mine, its = getattr(ours, name), theirs.get(name)
        if name in ("logits", "pred_boxes"):
            mine = mine[:, -1]
        if name == "init_reference_points" and its.ndim == 2:
            its = its.expand_as(mine)
        if name == "intermediate_reference_points":
            its = its.unbind(1)
        mine, its = ([x] if isinstance(x, Tensor) else list(x or ()) for x in (mine, its))
        assert len(mine) == len(its), name
        for x, y in zip(mine, its, strict=True):
            y = y.reshape(x.shape) if name.endswith("attentions") else y
            y = y.expand_as(x) if name == "decoder_hidden_states" else y
            assert torch.allclose(x, y, rtol=1e-4, atol=1e-4), name


@pytest.mark.parametrize("variant", NATIVE)
def test_gradients_are_those_of_transformers(variant: str, tmp_path: Path) -> None:
    """For every parameter, through the predictions of all layers, in training mode without dropout."""
    config = dataclasses.replace(tiny(variant), dropout=0.0)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path).double().train()
    network = network.double().train()
    pixels, mask = batch()
    ours = network(pixels, mask, details=True)
    generator = torch.Generator().manual_seed(3)
    pull_logits = torch.randn(ours.logits.shape, generator=generator, dtype=torch.float64)
    pull_boxes = torch.randn(ours.boxes_cxcywh.shape, generator=generator, dtype=torch.float64)
    theirs = answers(model, pixels, mask)
    for training_details in ((ours.logits, ours.boxes_cxcywh), (theirs.logits, theirs.pred_boxes)):
        ((training_details[0] * pull_logits).sum() + (training_details[1] * pull_boxes).sum()).backward()
    mine = {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}
    # With heads untied, those below the decoder give references alone, through which no gradient goes.
    its = {name: parameter.grad for name, parameter in model.named_parameters(remove_duplicate=False)}
    its = {name: gradient for name, gradient in its.items() if gradient is not None}
    every = {**model.state_dict(), **its}
    named = FAMILY.read_weights({n: x for n, x in every.items() if not re.search(r"decoder\.\w+_embed", n)}, config)
    compared = 0
    for name, gradient in mine.items():
        if gradient.any():
            assert torch.allclose(
                gradient.float(), named[name], rtol=1e-3, atol=1e-9 + 1e-5 * float(gradient.abs().max())
            ), name
            compared += 1
    assert compared > 60


@pytest.mark.parametrize("source", ["save_pretrained", "state_dict"])
@pytest.mark.parametrize("variant", NATIVE)
def test_models_saved_by_transformers_give_the_same(variant: str, source: str, tmp_path: Path) -> None:
    model = transformers_model(random_network(tiny(variant)), tiny(variant), tmp_path / "first")
    model.save_pretrained(tmp_path / "second")
    config = read_config(json.loads((tmp_path / "second" / "config.json").read_text()))
    tensors = model.state_dict() if source == "state_dict" else load_file(tmp_path / "second" / "model.safetensors")
    network = DeformableDetr(config).eval()
    network.load_state_dict(FAMILY.read_weights(tensors, config), strict=True)
    assert_equal(network, model, *batch())


@pytest.mark.parametrize("variant", NATIVE)
def test_new_networks_of_transformers_are_read(variant: str, tmp_path: Path) -> None:
    """Its heads are tied: the file has one, which all layers share."""
    transformers.set_seed(0)
    model = transformers.DeformableDetrForObjectDetection(
        transformers.DeformableDetrConfig(**tiny_json(variant))
    ).eval()
    for head in (*model.class_embed, *model.bbox_embed):
        for parameter in head.parameters():
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(tmp_path)
    config = read_config(json.loads((tmp_path / "config.json").read_text()))
    network = DeformableDetr(config).eval()
    network.load_state_dict(FAMILY.read_weights(load_file(tmp_path / "model.safetensors"), config), strict=True)
    assert_equal(network, model, *batch())


@pytest.mark.parametrize("variant", VARIANTS)
def test_written_configurations_are_the_same_for_transformers(variant: str, tmp_path: Path) -> None:
    config = published_config(variant, ["a", "b", "c"])
    (tmp_path / "config.json").write_text(json.dumps(FAMILY.write_config(config)))
    theirs = transformers.DeformableDetrConfig.from_pretrained(tmp_path).to_dict()
    back = read_config(json.loads(json.dumps(theirs)))
    assert dataclasses.replace(back, carried={}) == config
