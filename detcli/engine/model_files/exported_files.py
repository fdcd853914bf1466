"""What an exported .onnx or .xml file says about itself, without loading its network."""

from pathlib import Path

from detcli.checkpoints.model_files import ModelFiles, sha256_of_weights
from detcli.inference.load_exported import read_facts_of
from detcli.runtimes.exported.exported_facts import ExportedFacts

__all__ = ["ExportedFacts", "describe_exported", "exported_paths", "sha256_of_weights"]


def describe_exported(files: ModelFiles) -> ExportedFacts:
    """Read the metadata of an exported file. Raises ModelError for a file that is damaged or of another tool."""
    return read_facts_of(files.folder / files.weights)


def exported_paths(path: Path) -> list[Path]:
    """The files of an exported model: one, or .xml and .bin of OpenVINO."""
    return [path, path.with_suffix(".bin")] if path.suffix.lower() == ".xml" else [path]
