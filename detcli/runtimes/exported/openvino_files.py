"""OpenVINO files (.xml with .bin beside it): read them, and what they say about themselves."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.errors import DamagedModelError, UnsupportedModelError
from detcli.extras import install_command
from detcli.libraries import optional_library
from detcli.runtimes.exported.exported_facts import METADATA_KEY, ExportedFacts, read_facts

if TYPE_CHECKING:
    import openvino

SUFFIX = ".xml"


def read_graph(path: Path) -> "openvino.Model":
    """Read a graph with its weights, of an .xml or an .onnx file.

    Raises UnsupportedModelError if OpenVINO is not installed, and DamagedModelError for a file that it cannot read.
    """
    core = openvino_module().Core()
    if path.suffix == SUFFIX and not path.with_suffix(".bin").exists():
        raise DamagedModelError(
            f"'{path}' has its weights in '{path.with_suffix('.bin').name}', which is missing beside it"
        )
    try:
        return core.read_model(path)
    except RuntimeError as error:
        raise DamagedModelError(f"'{path}': OpenVINO cannot read it: {last_line(error)}") from error


def read_openvino_facts(path: Path) -> ExportedFacts:
    """Read the metadata of an .xml or an .onnx file. Raises as `read_graph` and `read_facts` do."""
    return graph_facts(read_graph(path), path)


def graph_facts(graph: "openvino.Model", path: Path) -> ExportedFacts:
    """Read the metadata of a graph. Raises as `read_facts` does."""
    for keys in ([METADATA_KEY], ["framework", METADATA_KEY]):  # the second one in a graph of an .onnx file
        if graph.has_rt_info(keys):
            return read_facts(str(graph.get_rt_info(keys).value), path)
    return read_facts(None, path)


def check_graph(graph: "openvino.Model", facts: ExportedFacts, path: Path) -> None:
    """Check that inputs and outputs are those of the metadata. Raises DamagedModelError."""
    inputs = [sorted(port.get_names()) for port in graph.inputs]
    outputs = [port.get_names() for port in graph.outputs]
    expected = facts.output_names
    if inputs != [["pixels"]] or len(outputs) != len(expected):
        raise DamagedModelError(f"'{path}': its inputs and outputs are not those that its metadata says")
    for names, name in zip(outputs, expected, strict=True):
        if name not in names:
            raise DamagedModelError(f"'{path}' has no output '{name}', which its metadata says")


def openvino_module() -> Any:
    """Import OpenVINO. Raises UnsupportedModelError if it is not installed or cannot be loaded."""
    return optional_library(
        "openvino",
        need="an OpenVINO file needs the package",
        install=install_command("openvino"),
        error_type=UnsupportedModelError,
    )


def last_line(error: BaseException) -> str:
    """The most telling line of a message: the last one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
