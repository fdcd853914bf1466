"""OpenVINO runs an exported network on the CPU, several batches at once; it needs no torch."""

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy.typing as npt

from detcli.errors import DeviceError, UsageError
from detcli.runtimes.exported.array_io import ArrayBatch, ArrayOutputs
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.runtimes.exported.exported_outputs import PixelScale, to_outputs
from detcli.runtimes.exported.graph_cut import cut_graph
from detcli.runtimes.exported.openvino_files import check_graph, last_line, openvino_module, read_graph
from detcli.runtimes.runtime import SynchronousRuntime

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
_NO_MEMORY = ("bad_alloc", "bad alloc", "allocate memory", "out of memory")


class OpenVinoRuntime(SynchronousRuntime[ArrayBatch, ArrayOutputs]):
    """A file that detcli exported, .xml or .onnx, compiled for this CPU.

    path       of the file; None: `blobs` are given
    facts      its metadata
    precision  of the computation: fp32, or bf16 with the decoder, which makes boxes, in fp32
    batch      compile for batches of exactly so many images; None: any number
    blobs      what `blobs()` returned for the same file, precision and batch, on the same CPU

    Raises ModelError for a file that is damaged, or whose inputs and outputs are not those of its metadata, UsageError
    for a precision that this CPU does not have, and DeviceError for blobs that OpenVINO refuses.
    """

    name = "openvino"
    device_name = "cpu"

    def __init__(
        self,
        path: Path | None,
        facts: ExportedFacts,
        *,
        precision: str = "fp32",
        batch: int | None = None,
        blobs: Sequence[bytes] = (),
    ) -> None:
        core = openvino_module().Core()
        check_precision(core, precision)
        self.precision = precision if facts.precision != "int8" else "int8"
        self.fixed_batch = batch or facts.batch
        self._facts = facts
        try:
            if path is None:
                options = _options(precision, len(blobs))
                self._compiled = [
                    core.import_model(io.BytesIO(blob), "CPU", option)
                    for blob, option in zip(blobs, options, strict=True)
                ]
            else:
                parts = _parts(self._graph(path), precision)
                options = _options(precision, len(parts))
                self._compiled = [
                    core.compile_model(part, "CPU", option) for part, option in zip(parts, options, strict=True)
                ]
        except RuntimeError as error:
            raise _device_error(error) from error
        if not self._compiled:
            raise DeviceError("OpenVINO failed: no network was compiled")
        streams = int(self._compiled[0].get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.batches_in_flight = streams + 1  # one waits while another one ends
        self._idle: list[_Chain] = []

    def blobs(self) -> tuple[bytes, ...]:
        """What was compiled, one for each part, to load it without the file."""
        return tuple(_exported(compiled) for compiled in self._compiled)

    def _graph(self, path: Path) -> Any:
        """The graph of a file with uint8 pixels and the shape of its input. Raises ModelError."""
        facts = self._facts
        graph = read_graph(path)
        check_graph(graph, facts, path)
        graph = _with_pixels(openvino_module(), graph, PixelScale(facts.preprocessor))
        size = [-1, -1] if facts.size_hw is None else list(facts.size_hw)
        graph.reshape({"pixels": [self.fixed_batch or -1, *size, 3]})
        return graph

    def __call__(self, batch: ArrayBatch) -> ArrayOutputs:
        """Run the network."""
        return self.submit(batch).result()

    def submit(self, batch: ArrayBatch) -> "_Request":
        """Start to run the network."""
        try:
            chain = self._idle.pop()
        except IndexError:
            chain = _Chain([compiled.create_infer_request() for compiled in self._compiled])
        try:
            chain.start(batch)
        except RuntimeError as error:
            raise _device_error(error) from error
        return _Request(chain, batch, self._facts, self._idle)


def _exported(compiled: Any) -> bytes:
    stream = io.BytesIO()  # without one, openvino 2025.0 returns bytes and later releases a stream
    compiled.export_model(stream)
    return stream.getvalue()


class _Chain:
    """Requests of the parts of a network: each one starts the next one, in a thread of OpenVINO."""

    def __init__(self, requests: list[Any]) -> None:
        self._requests = requests
        for request, following in pairwise(requests):
            request.set_callback(_start_next, (request, following))

    def start(self, batch: ArrayBatch) -> None:
        """Start to compute."""
        self._requests[0].set_input_tensor(openvino_module().Tensor(batch.pixels, shared_memory=True))
        self._requests[0].start_async()

    def outputs(self) -> list[npt.NDArray[Any]]:
        """Wait for the outputs and copy them. Raises RuntimeError."""
        for request in self._requests:
            request.wait()
        return [tensor.data.copy() for tensor in self._requests[-1].output_tensors]


def _start_next(requests: tuple[Any, Any]) -> None:
    """Give the outputs of one part to the next one, without a copy, and start it."""
    request, following = requests
    for index, tensor in enumerate(request.output_tensors):
        following.set_input_tensor(index, tensor)
    following.start_async()


class _Request:
    """A batch that OpenVINO computes; it keeps the pixels alive."""

    def __init__(self, chain: _Chain, batch: ArrayBatch, facts: ExportedFacts, idle: list[_Chain]) -> None:
        self._chain, self._batch, self._facts, self._idle = chain, batch, facts, idle

    def result(self) -> ArrayOutputs:
        """Wait for the outputs and copy them."""
        try:
            outputs = self._chain.outputs()
        except RuntimeError as error:
            raise _device_error(error) from error
        self._idle.append(self._chain)
        height, width = self._batch.pixels.shape[1:3]
        return to_outputs(outputs, self._facts, (height, width))


def _parts(graph: Any, precision: str) -> list[Any]:
    """The graphs to compile: in bf16, the one that makes boxes is cut off.

    Marks on single nodes would not do: OpenVINO fuses additions into matrix products, and computes both in bf16.
    """
    halves = cut_graph(graph) if precision == "bf16" else None
    return [graph] if halves is None else [halves.features, halves.decoding]


def _options(precision: str, parts: int) -> list[dict[str, str]]:
    """Options of each part. Without a precision, also an imported network gets that which is fastest on this CPU."""
    precisions = [precision, "fp32"][:parts]
    return [{"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _PRECISIONS[one]} for one in precisions]


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


def check_cpu(precision: str) -> None:
    """Check that OpenVINO is installed and this CPU has a precision. Raises UnsupportedModelError and UsageError."""
    check_precision(openvino_module().Core(), precision)


def check_precision(core: Any, precision: str) -> None:
    """Check that the CPU that OpenVINO finds has a precision. Raises UsageError."""
    if precision not in _PRECISIONS:
        raise UsageError(f"`precision={precision}`: the runtime openvino has fp32 and bf16")
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UsageError("`precision=bf16`: this CPU has no bf16; use fp32")


def _device_error(error: RuntimeError) -> DeviceError:
    message = last_line(error)
    out_of_memory = any(sign in str(error).lower() for sign in _NO_MEMORY)
    return DeviceError(f"OpenVINO failed: {message}", out_of_memory=out_of_memory)
