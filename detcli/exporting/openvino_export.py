"""An ONNX file -> the two files of OpenVINO, .xml and .bin."""

from collections.abc import Sequence
from pathlib import Path

from detcli.exporting.file_metadata import save_openvino
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.openvino_files import read_graph
from detcli.structures.frame import Frame


def export_openvino(onnx: Path, facts: ExportedFacts, path: Path, *, calibration: Sequence[Frame] = ()) -> None:
    """Convert an ONNX file that `export_onnx` wrote, with its metadata.

    onnx         of the same network, with weights stored in the same precision, or in float32 for int8
    facts        for the metadata
    path         of the .xml file; the .bin file is written beside it
    calibration  images for `precision=int8`

    Raises UnsupportedModelError if OpenVINO is not installed or cannot convert the network, or NNCF is not installed or
    cannot quantize it, and OutputError.
    """
    graph = read_graph(onnx)
    if facts.precision == "int8":
        from detcli.exporting.quantize import quantize

        graph = quantize(graph, facts, calibration, limit=len(calibration))
    save_openvino(graph, facts, path)
