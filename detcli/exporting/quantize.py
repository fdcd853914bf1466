"""Post-training quantization of a graph of OpenVINO or ONNX to int8, with NNCF."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from detcli.errors import UnsupportedModelError, UsageError
from detcli.exporting.calibration import CalibrationInputs
from detcli.exporting.nncf_library import nncf_module, silent_progress
from detcli.libraries import is_machine_fault
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.graph_cut import decodes_boxes, decoding_nodes
from detcli.structures.frame import FailedFrame, Frame

if TYPE_CHECKING:
    import onnx
    import openvino

MAX_IMAGES = 300  # more images hardly change the ranges


def quantize(
    graph: "openvino.Model", facts: ExportedFacts, frames: Sequence[Frame | FailedFrame], *, limit: int = MAX_IMAGES
) -> "openvino.Model":
    """Return a graph whose backbone and encoder compute in int8; box decoding stays in float.

    graph   takes normalized pixels, as exported
    facts   its metadata: preprocessing and batch size
    frames  images like those that the model will see; failed ones are left out, and those after `limit`

    Raises UnsupportedModelError if the package nncf is missing or the graph cannot be quantized, and UsageError without images.
    """
    nncf = nncf_module()
    inputs = _inputs(facts, frames, limit)
    return _quantized(nncf, graph, nncf.Dataset(inputs), len(inputs), decoding_nodes(graph))


def quantize_onnx(
    model: "onnx.ModelProto", facts: ExportedFacts, frames: Sequence[Frame | FailedFrame], *, limit: int = MAX_IMAGES
) -> "onnx.ModelProto":
    """Return an ONNX model with nodes QuantizeLinear and DequantizeLinear in backbone and encoder; else as `quantize`.

    model  its constants become initializers, in place
    """
    nncf = nncf_module()
    inputs = _inputs(facts, frames, limit)
    _constants_as_initializers(model)
    quantized: onnx.ModelProto = _quantized(
        nncf, model, nncf.Dataset(inputs, _by_name), len(inputs), _decoding_onnx_nodes(model)
    )
    return quantized


def _by_name(pixels: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    return {"pixels": pixels}


def _inputs(facts: ExportedFacts, frames: Sequence[Frame | FailedFrame], limit: int) -> CalibrationInputs:
    inputs = CalibrationInputs(facts, [frame for frame in frames if isinstance(frame, Frame)][:limit])
    if not inputs.images:
        raise UsageError("`calibrate`: there is no readable image to calibrate with")
    return inputs


def _quantized(nncf: Any, graph: Any, dataset: Any, batches: int, ignored: set[str]) -> Any:
    try:
        with silent_progress():
            return nncf.quantize(
                graph,
                dataset,
                preset=nncf.QuantizationPreset.MIXED,  # activations may be negative after SiLU
                subset_size=batches,
                ignored_scope=nncf.IgnoredScope(names=sorted(ignored), validate=False),
            )
    except Exception as error:  # its exceptions, and those of the runtimes that it calls, have no common class
        if is_machine_fault(error):
            raise
        lines = str(error).strip().splitlines()
        raise UnsupportedModelError(
            f"NNCF cannot quantize this network: {lines[0][:200] if lines else type(error).__name__}"
        ) from error


def _constants_as_initializers(model: "onnx.ModelProto") -> None:
    """Replace nodes that return a constant: NNCF looks for weights among the initializers only."""
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        if node.op_type != "Constant" or [one.name for one in node.attribute] != ["value"]:
            model.graph.node.append(node)
            continue
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]


def _decoding_onnx_nodes(model: "onnx.ModelProto") -> set[str]:
    """Names of the nodes of an ONNX model from query selection on, which make boxes."""
    found: set[str] = set()
    values: set[str] = set()  # that these nodes return
    for node in model.graph.node:  # inputs come first
        if decodes_boxes(node.name) or not values.isdisjoint(node.input):
            found.add(node.name)
            values.update(node.output)
    return found
