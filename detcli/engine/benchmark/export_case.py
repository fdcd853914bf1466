"""A checkpoint -> the ONNX file that a case runs in OpenVINO or ONNX Runtime."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from detcli.checkpoints.hub.locate_model import locate
from detcli.engine.benchmark.benchmark_request import BenchmarkCase
from detcli.exporting.onnx_export import export_onnx
from detcli.inference.load_checkpoint import CheckpointLoader
from detcli.inference.load_settings import LoadSettings
from detcli.inference.read_model import read_model
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

_MAX_DETECTIONS = 300


def export_case(case: BenchmarkCase, job: dict[str, Any], path: Path) -> None:
    """Write the file, for any batch size, with masks for a task of segmentation; `job` has the task and says where the model is.

    Raises ModelError, UsageError and OutputError.
    """
    cache_dir = None if job["cache_dir"] is None else Path(job["cache_dir"])
    files = locate(case.model, revision=job["revision"], offline=True, cache_dir=cache_dir, variant=case.variant)
    masks = job["task"] is not None
    settings = LoadSettings(
        device="cpu",
        image_size=case.image_size,
        queries=case.queries,
        decoder_layers=case.decoder_layers,
        segmentation=SegmentationSettings("semantic", threshold=0.0) if masks else None,  # masks of all queries
    )
    parts = CheckpointLoader(settings, read_model(files), files).parts()
    facts = replace(parts.exported_facts(files.name), masks=masks)
    export_onnx(parts.network, facts, path, max_detections=_MAX_DETECTIONS)
