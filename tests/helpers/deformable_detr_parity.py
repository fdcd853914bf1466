"""A Deformable DETR here and the same one in transformers, and how far apart they may be."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from detcli.models.deformable_detr import FAMILY
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.network import DeformableDetr
from detcli.models.inference_form import optimize
from detcli.structures.network_io import Outputs
from tests.helpers.deformable_detr_samples import VARIANTS
from tests.helpers.dfine_samples import distance

transformers = pytest.importorskip("transformers")

LOGITS, BOXES = 1e-4, 1e-6  # in float64
# With dilation transformers takes a backbone of timm's alone, which these tests do without; see `dilated` in
# tests/parity/test_deformable_against_transformers.py.
NATIVE = [variant for variant in VARIANTS if "dc5" not in variant]


def transformers_model(
    network: DeformableDetr, config: DeformableDetrConfig, folder: Path, document: dict[str, Any] | None = None
) -> nn.Module:
    """Save a network, and load it with transformers."""
    folder.mkdir(exist_ok=True)
    save_file(FAMILY.write_weights(network.state_dict(), config), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(document or FAMILY.write_config(config)))
    model, report = transformers.DeformableDetrForObjectDetection.from_pretrained(
        folder, output_loading_info=True, attn_implementation="eager"
    )
    # Learned positions are written under the names of 4.x and of 5.x, and each version has no place for the other.
    odd = {name for name in report["unexpected_keys"] if "backbone.position_embedding" not in name}
    assert not odd
    assert not any(names for kind, names in report.items() if kind != "unexpected_keys"), report
    return model.eval()


def answers(model: nn.Module, pixels: Tensor, mask: Tensor | None) -> Any:
    return model(pixels, pixel_mask=None if mask is None else mask.long())


def assert_equal(network: DeformableDetr, model: nn.Module, pixels: Tensor, mask: Tensor | None = None) -> None:
    """Both, and our inference form, give the same in float64."""
    network, model = network.double(), model.double()
    with torch.inference_mode():
        theirs = answers(model, pixels, mask)
        logits, boxes = apart(network(pixels, mask), theirs.logits, theirs.pred_boxes)
        assert logits < LOGITS
        assert boxes < BOXES
        logits, boxes = apart(optimize(network)(pixels, mask), theirs.logits, theirs.pred_boxes)
        assert logits < LOGITS
        assert boxes < BOXES


def apart(ours: Outputs, logits: Tensor, boxes: Tensor) -> tuple[float, float]:
    """Largest difference of logits and boxes: query by query, or paired where proposals of one rank have swapped.

    Proposals that are not used are all alike, and cannot be paired; they come in the same order.
    """
    differences = float((ours.logits - logits).abs().max()), float((ours.boxes_cxcywh - boxes).abs().max())
    return differences if differences < (LOGITS, BOXES) else distance(ours, logits, boxes)
