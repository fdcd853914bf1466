"""An ONNX file -> the two files of OpenVINO, .xml and .bin."""

from pathlib import Path

from detcli.errors import UnsupportedModelError
from detcli.exporting.file_metadata import readable_entries
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.runtimes.exported.exported_facts import METADATA_KEY, ExportedFacts
from detcli.runtimes.exported.openvino_files import last_line, openvino_module, read_graph


def export_openvino(onnx: Path, facts: ExportedFacts, path: Path) -> None:
    """Convert an ONNX file that `export_onnx` wrote, with its metadata.

    onnx   of the same network, with weights stored in the same precision
    facts  for the metadata
    path   of the .xml file; the .bin file is written beside it

    Raises UnsupportedModelError if OpenVINO is not installed or cannot convert the network, and OutputError.
    """
    openvino = openvino_module()
    graph = read_graph(onnx)
    graph.set_rt_info(facts.as_json(), [METADATA_KEY])
    for key, value in readable_entries(facts).items():
        graph.set_rt_info(value, [key])
    try:
        with os_errors_as_output_errors(path):
            # Not compressed here: that would round positions and anchors too.
            openvino.save_model(graph, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise UnsupportedModelError(f"OpenVINO cannot write '{path.name}': {last_line(error)}") from error
