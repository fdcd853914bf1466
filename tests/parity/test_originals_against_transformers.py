"""Converted weights of the original layouts: transformers 5.23.0 loads the folder and gives the same predictions."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.checkpoints.checkpoint_files import write_checkpoint
from detcli.inference.read_model import read_original
from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.deformable_detr import FAMILY as DEFORMABLE
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.detr import FAMILY as DETR
from detcli.models.detr.config import DetrConfig
from detcli.models.dfine import FAMILY as DFINE
from detcli.models.family import ConversionHints, Family
from detcli.models.rtdetr import FAMILY as RTDETR
from tests.helpers.dfine_samples import distance, images, random_network, tiny
from tests.helpers.original_layouts import deformable_detr, detr, dfine, rtdetr
from tests.helpers.rtdetr_samples import random_network as random_rtdetr
from tests.helpers.rtdetr_samples import tiny as tiny_rtdetr

transformers = pytest.importorskip("transformers")

LOGITS, BOXES, MASKS = 1e-4, 1e-6, 1e-3  # in float64
NAMES = tuple(f"class {i}" for i in range(5))
RESNET = ResNetConfig(depths=(1, 1, 1, 1), hidden_sizes=(16, 24, 32, 40), layer_type="basic", embedding_size=8)
SMALL: dict[str, Any] = {
    "labels": NAMES, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
}  # fmt: skip


def drawn(family: Family, config: Any) -> dict[str, Tensor]:
    """A random state dict without zero heads or unit norms; variances stay positive."""
    generator = torch.Generator().manual_seed(0)
    state = family.build(config).state_dict()
    for name, tensor in state.items():
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif tensor.ndim > 1:
            tensor.copy_(noise * (1.0 / tensor[0].numel()) ** 0.5)
        else:
            tensor.add_(0.1 * noise)
    return dict(state)


def resnet(*out_indices: int) -> ResNetConfig:
    return ResNetConfig(
        depths=RESNET.depths, hidden_sizes=RESNET.hidden_sizes, layer_type="basic", embedding_size=8,
        out_indices=out_indices,
    )  # fmt: skip


def saved_dfine() -> tuple[Family, Any, dict[str, Tensor], dict[str, Tensor]]:
    config = tiny(num_queries=20, learn_initial_query=False)
    state = dict(random_network(config).state_dict())
    return DFINE, config, state, dfine(DFINE.write_weights(state, config), grid_hw=(640, 640), strides=(8, 16, 32))


def saved_rtdetr(version: int) -> tuple[Family, Any, dict[str, Tensor], dict[str, Tensor]]:
    config = tiny_rtdetr(version, num_queries=20, encoder_attention_heads=8, decoder_attention_heads=8)
    state = dict(random_rtdetr(config).state_dict())
    return RTDETR, config, state, rtdetr(RTDETR.write_weights(state, config), second=version == 2)


def saved_detr(**changes: bool) -> tuple[Family, Any, dict[str, Tensor], dict[str, Tensor]]:
    config = DetrConfig(**SMALL, backbone=resnet(1, 2, 3, 4), num_queries=9, **changes)
    state = drawn(DETR, config)
    return DETR, config, state, detr(DETR.write_weights(state, config))


def saved_deformable(**changes: Any) -> tuple[Family, Any, dict[str, Tensor], dict[str, Tensor]]:
    config = DeformableDetrConfig(
        **SMALL, backbone=resnet(2, 3, 4), num_queries=9, two_stage_num_proposals=9, **changes
    )
    state = drawn(DEFORMABLE, config)
    return DEFORMABLE, config, state, deformable_detr(DEFORMABLE.write_weights(state, config))


@pytest.mark.parametrize(
    "saved",
    [
        lambda: saved_detr(),
        lambda: saved_detr(has_masks=True),
        lambda: saved_detr(pre_norm=True),
        lambda: saved_deformable(),
        lambda: saved_deformable(with_box_refine=True),
        lambda: saved_deformable(with_box_refine=True, two_stage=True),
        saved_dfine,
        lambda: saved_rtdetr(1),
        lambda: saved_rtdetr(2),
    ],
    ids=[
        "detr",
        "detr with masks",
        "detr with norms first",
        "deformable",
        "with box refinement",
        "two-stage",
        "dfine",
        "rtdetr",
        "rtdetr v2",
    ],
)
def test_converted_models_give_the_same_in_transformers(saved: Any, tmp_path: Path) -> None:
    family, config, state, tensors = saved()
    run = {"model": tensors, "args": argparse.Namespace(dilation=False, num_queries=config.num_queries)}
    torch.save(run, tmp_path / "original.pth")
    read = read_original(tmp_path / "original.pth", ConversionHints(labels=NAMES))
    made = read.checkpoint
    write_checkpoint(tmp_path / "made", made.config, made.preprocessor, made.tensors)
    kind = getattr(transformers, made.config["architectures"][0])
    transformers_model, report = kind.from_pretrained(
        tmp_path / "made", output_loading_info=True, attn_implementation="eager"
    )
    assert not report["missing_keys"], report
    assert not report["mismatched_keys"], report
    assert not report["unexpected_keys"], report
    network = family.build(family.read_config(made.config))
    network.load_state_dict(state, strict=True)
    pixels = images(2, 192, 192)
    with torch.inference_mode():
        ours, theirs = network.double().eval()(pixels), transformers_model.double().eval()(pixels)
        logits, boxes = distance(ours, theirs.logits, theirs.pred_boxes)
    assert logits < LOGITS
    assert boxes < BOXES
    if ours.masks is not None:
        assert (ours.masks.sigmoid() - theirs.pred_masks.sigmoid()).abs().max() < MASKS
