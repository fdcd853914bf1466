"""A checkpoint -> the ONNX file that a case runs in OpenVINO or ONNX Runtime."""

from pathlib import Path

from detcli.checkpoints.hub.locate_model import locate
from detcli.engine.benchmark.benchmark_request import BenchmarkCase
from detcli.exporting.onnx_export import export_onnx
from detcli.inference.load_checkpoint import CheckpointLoader
from detcli.inference.load_settings import LoadSettings
from detcli.inference.read_model import read_model

_MAX_DETECTIONS = 300


def export_case(case: BenchmarkCase, path: Path) -> None:
    """Write the file, for any batch size. Raises ModelError, UsageError and OutputError."""
    files = locate(case.model, offline=True)
    settings = LoadSettings(image_size=case.image_size, queries=case.queries, decoder_layers=case.decoder_layers)
    parts = CheckpointLoader(settings, read_model(files), files).parts()
    export_onnx(parts.network, parts.exported_facts(files.name), path, max_detections=_MAX_DETECTIONS)
