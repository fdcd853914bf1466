"""An RT-DETR here and the same one in transformers, and how far apart they may be."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from detcli.models.inference_form import optimize
from detcli.models.rtdetr import FAMILY
from detcli.models.rtdetr.config import RtDetrConfig
from detcli.models.rtdetr.network import RtDetr
from tests.helpers.dfine_samples import distance

transformers = pytest.importorskip("transformers")

LOGITS, BOXES = 1e-4, 1e-6  # in float64


def transformers_model(
    network: RtDetr, config: RtDetrConfig, folder: Path, document: dict[str, Any] | None = None
) -> nn.Module:
    """Save a network, and load it with transformers."""
    folder.mkdir(exist_ok=True)
    save_file(FAMILY.write_weights(network.state_dict(), config), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(document or FAMILY.write_config(config)))
    kind = getattr(transformers, FAMILY.write_config(config)["architectures"][0])
    model, report = kind.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    assert not any(report.values()), report
    return model.eval()


def assert_equal(network: RtDetr, model: nn.Module, pixels: Tensor) -> None:
    """Both, and our inference form, give the same in float64."""
    network, model = network.double(), model.double()
    with torch.inference_mode():
        theirs = model(pixels)
        for form in (network, optimize(network)):
            logits, boxes = distance(form(pixels), theirs.logits, theirs.pred_boxes)
            assert logits < LOGITS
            assert boxes < BOXES


def names(count: int) -> list[str]:
    return [f"class {i}" for i in range(count)]
