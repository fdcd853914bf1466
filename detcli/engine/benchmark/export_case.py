"""A checkpoint -> the ONNX file that a case runs in OpenVINO or ONNX Runtime."""

from dataclasses import replace
from pathlib import Path

from detcli.checkpoints.hub.locate_model import locate
from detcli.engine.benchmark.benchmark_request import BenchmarkCase
from detcli.exporting.onnx_export import export_onnx
from detcli.inference.load_checkpoint import CheckpointLoader
from detcli.inference.load_settings import LoadSettings
from detcli.inference.read_model import read_model
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

_MAX_DETECTIONS = 300


def export_case(
    case: BenchmarkCase, path: Path, *, revision: str | None = None, cache_dir: str | None = None, masks: bool = False
) -> None:
    """Write the file, for any batch size; `masks`: with the mask head.

    Raises ModelError, UsageError and OutputError.
    """
    cache = None if cache_dir is None else Path(cache_dir)
    files = locate(case.model, revision=revision, offline=True, cache_dir=cache, variant=case.variant)
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
