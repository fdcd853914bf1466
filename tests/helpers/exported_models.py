"""Exported files of small models for tests, and the comparison of detections."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from detcli.checkpoints.hub.locate_model import locate
from detcli.exporting.onnx_export import export_onnx
from detcli.inference.load_checkpoint import CheckpointLoader
from detcli.inference.load_settings import LoadSettings
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.read_model import read_model
from detcli.models.family import FAMILIES
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin


def write_onnx(
    network: nn.Module, family: str, preprocessing: Preprocessing, path: Path, **facts: Any
) -> ExportedFacts:
    """Export a network in its inference form as ONNX."""
    labels = ClassLabels.from_names([f"class {index}" for index in range(facts.pop("classes", 5))])
    complete = ExportedFacts(
        model=family,
        labels=labels,
        preprocessor=preprocessing.as_json(),
        size_divisor=FAMILIES[family].size_divisor,
        scores=FAMILIES[family].scores,
        threshold=facts.pop("threshold", 0.0),
        size_hw=preprocessing.size_hw,
        **facts,
    )
    export_onnx(network, complete, path, max_detections=300)
    return complete


def export_shapes(path: Path, **facts: Any) -> Path:
    """Export the bundled model as ONNX; returns the path."""
    files = locate("shapes")
    parts = CheckpointLoader(LoadSettings(), read_model(files), files).parts()
    complete = replace(parts.exported_facts("shapes"), **facts)
    export_onnx(parts.network, complete, path, max_detections=300)
    return path


def random_frames(count: int, size_hw: tuple[int, int] = (120, 160), seed: int = 5) -> list[Frame | FailedFrame]:
    """Frames with smooth random content."""
    random = np.random.default_rng(seed)
    small = torch.from_numpy(random.uniform(0, 255, (count, 3, 6, 8)))
    large = nn.functional.interpolate(small, size_hw, mode="bicubic").clamp(0, 255).byte()
    pixels = large.permute(0, 2, 3, 1).contiguous().numpy()
    return [Frame(Origin(i, f"{i}.png", f"{i}.png", str(i)), size_hw, image) for i, image in enumerate(pixels)]


def assert_same_detections(
    found: list[Detections | FailedFrame], expected: list[Detections | FailedFrame], *, pixels: float, score: float
) -> int:
    """Check detections row by row, in the order of scores; returns how many there are."""
    count = 0
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours, Detections)
        assert isinstance(theirs, Detections)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=score)
        for box, own_score, class_id in zip(ours.boxes_xyxy, ours.scores, ours.class_ids, strict=True):
            same = (theirs.class_ids == class_id) & (np.abs(theirs.scores - own_score) <= score)
            assert same.any()
            assert np.abs(theirs.boxes_xyxy[same] - box).max(1).min() <= pixels
        count += len(ours.scores)
    return count
