"""Cuts a graph of OpenVINO in two: what computes features, and what makes boxes of them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detcli.runtimes.exported.openvino_files import openvino_module

if TYPE_CHECKING:
    import openvino

# Scopes of the modules that make boxes of features, as tracing writes them into the names of nodes.
_DECODING = ("/query_selection", "/query_source", "/decoder", "/box_head", "/class_head", "/mask_")


@dataclass(frozen=True, slots=True)
class GraphHalves:
    """A graph in two parts; the results of the first one are the parameters of the second one, in the same order."""

    features: "openvino.Model"
    decoding: "openvino.Model"


def decodes_boxes(name: str) -> bool:
    """Whether a node belongs to query selection, to the decoder or to the heads, by its name."""
    return any(scope in f"/{name.replace('.', '/')}" for scope in _DECODING)


def cut_graph(graph: "openvino.Model", is_decoding: Callable[[str], bool] = decodes_boxes) -> GraphHalves | None:
    """Cut a graph; it stays as it is.

    is_decoding  whether a node of this name belongs to the second part; nodes that follow one do so too

    Returns None if one of the parts would be empty.
    """
    openvino: Any = openvino_module()
    clone = graph.clone()
    _fold_constants(clone)
    operations = clone.get_ordered_ops()
    decoding = _following(operations, is_decoding)
    crossing = _crossing(operations, decoding)
    if not decoding or not crossing:
        return None
    parameters, results = [], []
    for source, targets in crossing:
        parameter = openvino.opset8.parameter(source.get_partial_shape(), source.get_element_type())
        for target in targets:
            target.replace_source_output(parameter.output(0))
        parameters.append(parameter)
        results.append(openvino.opset8.result(source))
    return GraphHalves(
        openvino.Model(results, clone.get_parameters(), "features"),
        openvino.Model(clone.get_results(), parameters, "decoding"),
    )


def decoding_nodes(graph: "openvino.Model") -> set[str]:
    """Names of the nodes from query selection on, which make boxes."""
    return _following(graph.get_ordered_ops(), decodes_boxes)


def _fold_constants(graph: Any) -> None:
    """Compute what follows from the shapes alone: sizes of feature maps would cross the cut, too, and be unknown there."""
    passes: Any = importlib.import_module("openvino.passes")
    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(graph)


def _following(operations: list[Any], is_decoding: Callable[[str], bool]) -> set[str]:
    """Names of the nodes of the second part: those that are named so, and all that take an output of one."""
    found: set[str] = set()
    for node in operations:  # inputs come first
        name = node.get_friendly_name()
        if node.get_type_name() == "Constant":
            continue
        if is_decoding(name) or any(_source(port) in found for port in node.inputs()):
            found.add(name)
    return found


def _crossing(operations: list[Any], decoding: set[str]) -> list[tuple[Any, list[Any]]]:
    """Outputs of the first part that the second one takes, each with the inputs that take it."""
    constant: set[str] = set()  # copied into both parts
    crossing: list[tuple[Any, list[Any]]] = []
    for node in operations:
        name = node.get_friendly_name()
        if node.get_type_name() != "Parameter" and all(_source(port) in constant for port in node.inputs()):
            constant.add(name)
        if name in constant or name in decoding:
            continue
        for output in node.outputs():
            targets = [port for port in output.get_target_inputs() if port.get_node().get_friendly_name() in decoding]
            if targets:
                crossing.append((output, targets))
    return crossing


def _source(port: Any) -> str:
    name: str = port.get_source_output().get_node().get_friendly_name()
    return name
