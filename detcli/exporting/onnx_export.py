"""A network -> an ONNX file, by tracing it with torch."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from detcli.errors import DetcliError, UnsupportedModelError
from detcli.exporting.file_metadata import save_onnx
from detcli.exporting.half_weights import store_weights_as_float16
from detcli.extras import install_command
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.postprocessing.tensor_postprocess import best_classes, top_k
from detcli.inference.preprocessing.exported_padding import check_padding
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.libraries import is_machine_fault, optional_library
from detcli.models.family import SegmentationNetwork
from detcli.models.layers.graph_capture import size_of_maps, tensor_of_sizes, traced_for_one_size
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.structures.boxes import cxcywh_to_xyxy
from detcli.structures.frame import Frame
from detcli.structures.network_io import Outputs

OPSET = 17  # the lowest with layer normalization
_TRACED_HW = (256, 384)  # of networks that take images of many sizes; two sizes, so that they are not mixed up


@dataclass(frozen=True, slots=True)
class GraphShape:
    """The shape of the input of an exported network.

    size_hw  the only size; None: any
    batch    the only number of images; None: any
    """

    size_hw: tuple[int, int] | None
    batch: int | None

    @property
    def example(self) -> tuple[int, int, int, int]:
        """Shape of the input that the network is traced with."""
        return (self.batch or 2, 3, *(self.size_hw or _TRACED_HW))

    def dynamic_axes(self, outputs: Sequence[str]) -> dict[str, dict[int, str]]:
        """Names of the free axes."""
        axes: dict[str, dict[int, str]] = {name: {} for name in ("pixels", *outputs)}
        if self.batch is None:
            for name in axes:
                axes[name][0] = "batch"
        if self.size_hw is None:
            axes["pixels"] |= {2: "height", 3: "width"}
            if "masks" in axes:
                axes["masks"] |= {2: "mask_height", 3: "mask_width"}
        return {name: free for name, free in axes.items() if free}


def export_onnx(
    network: nn.Module, facts: ExportedFacts, path: Path, *, max_detections: int, calibration: Sequence[Frame] = ()
) -> None:
    """Write an ONNX file with metadata.

    network         in its inference form, on the CPU, in float32
    facts           for the metadata, and the shape of the input
    path            of the file; it is replaced
    max_detections  how many boxes a graph with `outputs=boxes` gives
    calibration     images for `precision=int8`; without them, the weights of an int8 file are still float32

    Raises UnsupportedModelError if a package is missing, or the network or its padding cannot be exported, and
    OutputError.
    """
    onnx = onnx_package()
    check_padding(Preprocessing.from_json(facts.preprocessor, size_divisor=facts.size_divisor))
    wrapped = RawOutputs(network, facts) if facts.outputs == "raw" else BoxOutputs(network, facts, max_detections)
    shape = GraphShape(facts.size_hw, facts.batch)
    example, axes = torch.rand(shape.example), shape.dynamic_axes(facts.output_names)
    content = io.BytesIO()
    with _traceable(), traced_for_one_size() if shape.size_hw else nullcontext():
        wrapped.eval()  # the exporter leaves the network as it was before
        # What the network caches for one size becomes a constant.
        sizes = [tuple(output.shape) for output in wrapped(example)]
        torch.onnx.export(
            wrapped,
            (example,),
            content,  # type: ignore[arg-type]
            input_names=["pixels"],
            output_names=list(facts.output_names),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_model_from_string(content.getvalue())
    for output, size in zip(model.graph.output, sizes, strict=True):
        _set_fixed_axes(output, size, axes.get(output.name, {}))
    if facts.precision == "fp16":
        store_weights_as_float16(model)
    if calibration:
        from detcli.exporting.quantize import quantize_onnx

        model = quantize_onnx(model, facts, calibration, limit=len(calibration))
    save_onnx(model, facts, path)


class RawOutputs(nn.Module):
    """A network whose outputs are a tuple: logits, boxes and, perhaps, masks and standard deviations."""

    def __init__(self, network: nn.Module, facts: ExportedFacts) -> None:
        super().__init__()
        self.network = network
        self._masks = facts.masks
        if isinstance(network, SegmentationNetwork):
            network.configure_masks(enabled=facts.masks)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Take pixels float32 [B, 3, H, W] to logits [B, Q, K], boxes [B, Q, 4] and more, as the facts name them."""
        outputs = cast("Outputs", self.network(pixels))
        masks = outputs.masks if self._masks else None
        more = (output for output in (masks, outputs.box_std) if output is not None)
        return outputs.logits, outputs.boxes_cxcywh, *more


class BoxOutputs(nn.Module):
    """A network with postprocessing: boxes, scores and classes of each image, the best first."""

    def __init__(self, network: nn.Module, facts: ExportedFacts, max_detections: int) -> None:
        super().__init__()
        self.network = network
        self._softmax = facts.scores == "softmax"
        self._selection = Selection(0.0, max_detections, scores=facts.scores)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take pixels float32 [B, 3, H, W] to boxes, scores and classes.

        returns boxes float32 [B, N, 4], corners x0 y0 x1 y1 in pixels of the input, inside it; scores float32 [B, N];
                classes int64 [B, N]
        """
        outputs = cast("Outputs", self.network(pixels))
        rows = (best_classes if self._softmax else top_k)(outputs, self._selection).float()  # [B, N, 6]
        height, width = size_of_maps(pixels)
        limits = tensor_of_sizes((width, height, width, height), rows)
        boxes = torch.minimum((cxcywh_to_xyxy(rows[..., :4]) * limits).clamp(min=0), limits)
        scores = rows[..., 4].exp() if self._softmax else rows[..., 4].sigmoid()
        return boxes, scores, rows[..., 5].long()


def _set_fixed_axes(output: Any, size: Sequence[int], free: Mapping[int, str]) -> None:
    """Write the sizes of axes that are not free into the graph, where the tracer left them open."""
    for axis, (dimension, length) in enumerate(zip(output.type.tensor_type.shape.dim, size, strict=True)):
        if axis not in free:
            dimension.dim_value = length


@contextmanager
def _traceable() -> Iterator[None]:
    """Hide the tracer's warnings, and turn its errors into one sentence."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of each size that becomes a number
            yield
    except Exception as error:  # of the exporter, the tracer, or the code of a backbone of timm: any class
        if isinstance(error, DetcliError) or is_machine_fault(error):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0][:200] if lines else type(error).__name__
        raise UnsupportedModelError(f"torch cannot export this network: {reason}") from error


def onnx_package() -> Any:
    """Import the package onnx. Raises UnsupportedModelError if it is missing."""
    return optional_library(
        "onnx", need="exporting needs the package", install=install_command("onnx"), error_type=UnsupportedModelError
    )
