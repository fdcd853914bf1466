"""The bundled model as an exported file, for tests of runs without torch."""

from pathlib import Path

from detcli.checkpoints.hub.locate_model import locate
from detcli.exporting.onnx_export import export_onnx
from detcli.inference.load_checkpoint import CheckpointLoader
from detcli.inference.load_settings import LoadSettings
from detcli.inference.read_model import read_model
from detcli.runtimes.exported.exported_facts import ExportedFacts


def export_shapes(path: Path) -> Path:
    """Write the bundled model as an .onnx file; returns its path."""
    parts = CheckpointLoader(LoadSettings(), read_model(locate("shapes")), locate("shapes")).parts()
    facts = ExportedFacts(
        model="shapes",
        labels=parts.labels,
        preprocessor=parts.preprocessing.as_json(),
        size_divisor=parts.family.size_divisor,
        scores=parts.family.scores,
        threshold=parts.threshold,
        size_hw=parts.preprocessing.size_hw,
    )
    export_onnx(parts.network, facts, path, max_detections=300)
    return path
