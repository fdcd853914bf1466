"""Metadata of exported files: detcli's own document, and a few entries that other tools read."""

from pathlib import Path
from typing import Any

from detcli.errors import UnsupportedModelError
from detcli.io.atomic_write import AtomicFile, os_errors_as_output_errors
from detcli.runtimes.exported.exported_facts import METADATA_KEY, ExportedFacts
from detcli.runtimes.exported.openvino_files import SUFFIX as OPENVINO_SUFFIX
from detcli.runtimes.exported.openvino_files import last_line, openvino_module, read_graph


def readable_entries(facts: ExportedFacts) -> dict[str, str]:
    """Class names by index, input size and batch size, under the names and in the form that ultralytics has them.

    Axes that are free are left out.
    """
    entries = {"names": str(dict(enumerate(facts.labels.names)))}
    if facts.size_hw is not None:
        entries["imgsz"] = str(list(facts.size_hw))
    if facts.batch is not None:
        entries["batch"] = str(facts.batch)
    return entries


def save_onnx(model: Any, facts: ExportedFacts, path: Path) -> None:
    """Write an onnx.ModelProto with its metadata; the file is replaced. Raises OutputError."""
    from onnx import helper

    helper.set_model_props(model, {METADATA_KEY: facts.as_json(), **readable_entries(facts)})
    model.producer_name, model.producer_version = "detcli", facts.version
    with AtomicFile(path) as file:
        file.write(model.SerializeToString())


def save_openvino(graph: Any, facts: ExportedFacts, path: Path) -> None:
    """Write a graph of OpenVINO with its metadata, as .xml and .bin, which must not be the files that it was read from.

    Raises UnsupportedModelError if OpenVINO cannot write it, and OutputError.
    """
    graph.set_rt_info(facts.as_json(), [METADATA_KEY])
    for key, value in readable_entries(facts).items():
        graph.set_rt_info(value, [key])
    try:
        with os_errors_as_output_errors(path):
            # Not compressed here: that would round positions and anchors too.
            openvino_module().save_model(graph, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise UnsupportedModelError(f"OpenVINO cannot write '{path.name}': {last_line(error)}") from error


def replace_facts(path: Path, facts: ExportedFacts) -> None:
    """Give an .onnx or .xml file other metadata. Raises as `save_onnx` and `save_openvino` do."""
    if path.suffix != OPENVINO_SUFFIX:
        import onnx

        save_onnx(onnx.load(path), facts, path)
        return
    changed = path.with_name(f"changed-{path.name}")
    save_openvino(read_graph(path), facts, changed)
    with os_errors_as_output_errors(path):
        for suffix in (".bin", OPENVINO_SUFFIX):
            changed.with_suffix(suffix).replace(path.with_suffix(suffix))
