"""OpenVINO runs an exported network on the CPU, several batches at once; it needs no torch."""

import os
from pathlib import Path
from typing import Any

from detcli.errors import DeviceError, UsageError
from detcli.runtimes.exported.array_io import ArrayBatch, ArrayOutputs
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.exported_outputs import PixelScale, to_outputs
from detcli.runtimes.exported.openvino_files import check_graph, last_line, openvino_module, read_graph
from detcli.runtimes.runtime import SynchronousRuntime

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
_NO_MEMORY = ("bad_alloc", "bad alloc", "allocate memory", "out of memory")


class OpenVinoRuntime(SynchronousRuntime[ArrayBatch, ArrayOutputs]):
    """A file that detcli exported, .xml or .onnx, compiled for this CPU.

    path       of the file
    facts      its metadata
    precision  of the computation: fp32 or bf16
    batch      compile for batches of exactly so many images; None: any number
    cache_dir  where compiled networks are kept; None: nowhere

    Raises ModelError for a file that is damaged, or whose inputs and outputs are not those of its metadata, and UsageError
    for a precision that this CPU does not have.
    """

    name = "openvino"
    device_name = "cpu"

    def __init__(
        self,
        path: Path,
        facts: ExportedFacts,
        *,
        precision: str = "fp32",
        batch: int | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        openvino = openvino_module()
        core = openvino.Core()
        _check_precision(core, precision)
        self.precision = precision if facts.precision != "int8" else "int8"
        self.fixed_batch = batch or facts.batch
        self._facts = facts
        graph = read_graph(path)
        check_graph(graph, facts, path)
        graph = _with_pixels(openvino, graph, PixelScale(facts.preprocessor))
        size = [-1, -1] if facts.size_hw is None else list(facts.size_hw)
        graph.reshape({"pixels": [self.fixed_batch or -1, *size, 3]})
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        }
        if cache_dir is not None:
            options["CACHE_DIR"] = os.fspath(cache_dir)
        try:
            self._compiled = core.compile_model(graph, "CPU", options)
        except RuntimeError as error:
            raise _device_error(error) from error
        streams = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.batches_in_flight = streams + 1  # one waits while another one ends
        self._idle: list[Any] = []

    def __call__(self, batch: ArrayBatch) -> ArrayOutputs:
        """Run the network."""
        return self.submit(batch).result()

    def submit(self, batch: ArrayBatch) -> "_Request":
        """Start to run the network."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            request.set_input_tensor(openvino_module().Tensor(batch.pixels, shared_memory=True))
            request.start_async()
        except RuntimeError as error:
            raise _device_error(error) from error
        return _Request(request, batch, self._facts, self._idle)


class _Request:
    """A batch that OpenVINO computes; it keeps the pixels alive."""

    def __init__(self, request: Any, batch: ArrayBatch, facts: ExportedFacts, idle: list[Any]) -> None:
        self._request, self._batch, self._facts, self._idle = request, batch, facts, idle

    def result(self) -> ArrayOutputs:
        """Wait for the outputs and copy them."""
        try:
            self._request.wait()
            outputs = [tensor.data.copy() for tensor in self._request.output_tensors]
        except RuntimeError as error:
            raise _device_error(error) from error
        self._idle.append(self._request)
        height, width = self._batch.pixels.shape[1:3]
        return to_outputs(outputs, self._facts, (height, width))


def _with_pixels(openvino: Any, graph: Any, scale: PixelScale) -> Any:
    """The graph with uint8 pixels [B, H, W, 3] as its input: scaling is a part of it."""
    steps = openvino.preprocess.PrePostProcessor(graph)
    pixels = steps.input("pixels")
    pixels.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    pixels.model().set_layout(openvino.Layout("NCHW"))
    convert = pixels.preprocess().convert_element_type(openvino.Type.f32)
    if scale.rescale is not None:
        convert.scale(1 / scale.rescale)
    if scale.mean is not None and scale.std is not None:
        convert.mean(scale.mean.tolist())
        convert.scale(scale.std.tolist())
    return steps.build()


def _check_precision(core: Any, precision: str) -> None:
    if precision not in _PRECISIONS:
        raise UsageError(f"`precision={precision}`: the runtime openvino has fp32 and bf16")
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UsageError("`precision=bf16`: this CPU has no bf16; use fp32")


def _device_error(error: RuntimeError) -> DeviceError:
    message = last_line(error)
    out_of_memory = any(sign in str(error).lower() for sign in _NO_MEMORY)
    return DeviceError(f"OpenVINO failed: {message}", out_of_memory=out_of_memory)
