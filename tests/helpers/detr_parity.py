"""A DETR here and the same one in transformers, and how far apart they may be."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from detcli.models.detr import FAMILY
from detcli.models.detr.config import DetrConfig
from detcli.models.detr.network import Detr
from detcli.models.inference_form import optimize
from detcli.structures.network_io import Outputs

transformers = pytest.importorskip("transformers")

LOGITS, BOXES, MASKS = 1e-4, 1e-6, 1e-3  # in float64; the last one of probability


def transformers_model(
    network: Detr,
    config: DetrConfig,
    folder: Path,
    document: dict[str, Any] | None = None,
    tensors: dict[str, Tensor] | None = None,
) -> nn.Module:
    """Save a network, and load it with transformers."""
    folder.mkdir(exist_ok=True)
    tensors = tensors or FAMILY.write_weights(network.state_dict(), config)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(document or FAMILY.write_config(config)))
    kind = getattr(transformers, FAMILY.write_config(config)["architectures"][0])
    model, report = kind.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    if not config.pre_norm:  # learned positions are there twice, once where versions 4.x look for them
        report["unexpected_keys"] = {
            name for name in report["unexpected_keys"] if "backbone.position_embed" not in name
        }
    assert not any(report.values()), report
    return model.eval()


def dilate(model: nn.Module) -> None:
    """Dilate the last stage of transformers' own ResNet, as in DC5."""
    detr = model.detr if hasattr(model, "detr") else model
    last = detr.model.backbone.model.encoder.stages[-1]
    for place, block in enumerate(last.layers):
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
                if module.kernel_size == (3, 3) and place:
                    module.dilation = module.padding = (2, 2)


def assert_close(ours: Outputs, theirs: Any, *, logits: float = LOGITS, boxes: float = BOXES) -> None:
    assert (ours.logits - theirs.logits).abs().max() < logits
    assert (ours.boxes_cxcywh - theirs.pred_boxes).abs().max() < boxes
    pred = getattr(theirs, "pred_masks", None)
    assert (ours.masks is None) == (pred is None)
    if ours.masks is not None:
        assert ours.masks.shape == pred.shape
        assert (ours.masks.sigmoid() - pred.sigmoid()).abs().max() < MASKS


def assert_equal(network: Detr, model: nn.Module, pixels: Tensor, mask: Tensor | None = None) -> None:
    """Both, and our inference form, give the same in float64."""
    network, model = network.double(), model.double()
    with torch.inference_mode():
        theirs = model(pixels, pixel_mask=mask)
        assert_close(network(pixels, mask), theirs)
        assert_close(optimize(network)(pixels, mask), theirs)


def names(count: int) -> list[str]:
    return [f"class {i}" for i in range(count)]
