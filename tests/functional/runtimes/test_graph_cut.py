"""OpenVINO's bf16: box decoding stays in fp32, in a part of the graph that is cut off."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from torch import nn

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.errors import UsageError
from detcli.inference.load import load_detector
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.models.family import FAMILIES
from detcli.runtimes.exported.graph_cut import cut_graph, decodes_boxes
from detcli.runtimes.openvino_runtime import check_precision
from detcli.structures.detections import Detections
from tests.helpers import deformable_detr_samples, detr_samples, dfine_samples, rtdetr_samples
from tests.helpers.exported_models import export_shapes, write_onnx

NETWORKS: dict[str, Any] = {
    "dfine": lambda: dfine_samples.random_network(dfine_samples.tiny()),
    "detr": lambda: detr_samples.random_network(detr_samples.tiny()),
    "deformable_detr": lambda: deformable_detr_samples.random_network(deformable_detr_samples.tiny()),
    "rtdetr": lambda: rtdetr_samples.random_network(rtdetr_samples.tiny(2)),
}


def _graph(name: str, folder: Path, size_hw: tuple[int, int], batch: int | None = None) -> openvino.Model:
    family = name
    with torch.random.fork_rng():
        network: nn.Module = FAMILIES[family].optimize(NETWORKS[name]().float())
    preprocessing = Preprocessing.of({}, FAMILIES[family]).with_size(size_hw, FAMILIES[family].size_divisor)
    write_onnx(network, family, preprocessing, folder / "model.onnx", batch=batch)
    return openvino.Core().read_model(folder / "model.onnx")


def _run(graph: openvino.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(inputs)
    return [found[index] for index in range(len(graph.outputs))]


@pytest.mark.parametrize("batch", [1, -1])
@pytest.mark.parametrize("name", NETWORKS)
def test_both_parts_together_compute_the_graph(name: str, batch: int, tmp_path: Path) -> None:
    graph = _graph(name, tmp_path, (128, 128), None if batch < 0 else batch)
    graph.reshape({"pixels": [batch, 3, 128, 128]})
    halves = cut_graph(graph)
    assert halves is not None
    decoding, features = (
        {node.get_friendly_name() for node in half.get_ordered_ops() if node.get_type_name() != "Constant"}
        for half in (halves.decoding, halves.features)
    )  # both halves may use a constant
    assert any("/decoder" in node for node in decoding)
    assert not any(decodes_boxes(node) for node in features)
    assert not any("/backbone" in node and "_" not in node for node in decoding)
    pixels = np.random.default_rng(3).normal(size=(2 if batch < 0 else 1, 3, 128, 128)).astype(np.float32)
    expected = _run(graph, [pixels])
    found = _run(halves.decoding, _run(halves.features, [pixels]))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_graph_itself_stays_as_it_is(tmp_path: Path) -> None:
    graph = _graph("dfine", tmp_path, (128, 128))
    names = [node.get_friendly_name() for node in graph.get_ordered_ops()]
    assert cut_graph(graph) is not None
    assert [node.get_friendly_name() for node in graph.get_ordered_ops()] == names


def test_a_graph_without_these_scopes_is_not_cut(tmp_path: Path) -> None:
    graph = _graph("dfine", tmp_path, (128, 128))
    assert cut_graph(graph, lambda name: False) is None
    assert cut_graph(graph, lambda name: True) is None


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundled") / "shapes.onnx"
    export_shapes(path)
    return path


def has_bf16() -> bool:
    """Whether this CPU computes in bf16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


needs_bf16 = pytest.mark.skipif(not has_bf16(), reason="this CPU has no bf16")


@needs_bf16
@pytest.mark.parametrize("batch_size", [None, 1, 2])
def test_bf16_loses_few_boxes_and_moves_them_little(bundled: Path, batch_size: int | None) -> None:
    sequence = ShapeSequence("hard", 1, frames=12, rate=15)
    frames = [sequence.frame(index) for index in range(12)]
    expected = load_detector("shapes", runtime="torch", precision="fp32").detect_frames(frames)
    detector = load_detector(bundled, runtime="openvino", precision="bf16", batch_size=batch_size)
    assert detector.precision == "bf16"
    moved, lost = [], 0
    for ours, theirs in zip(detector.detect_frames(frames), expected, strict=True):
        assert isinstance(ours, Detections)
        assert isinstance(theirs, Detections)
        for box, class_id in zip(theirs.boxes_xyxy, theirs.class_ids, strict=True):
            distances = np.abs(ours.boxes_xyxy[ours.class_ids == class_id] - box).max(1)
            near = len(distances) > 0 and distances.min() < 8
            moved += [distances.min()] if near else []
            lost += not near
    assert len(moved) > 50
    assert lost <= len(moved) / 50
    assert np.mean(moved) < 0.2  # pixels; 0.75 with the decoder in bf16, too


@needs_bf16
def test_bf16_in_flight_gives_the_results_of_single_calls(bundled: Path) -> None:
    sequence = ShapeSequence("hard", 1, frames=5, rate=15)
    frames = [sequence.frame(index) for index in range(5)]
    detector = load_detector(bundled, runtime="openvino", precision="bf16", batch_size=1)
    pending = [detector.submit([frame]) for frame in frames]
    for found, frame in zip([one.result()[0] for one in pending], frames, strict=True):
        alone = detector.detect_frames([frame])[0]
        assert isinstance(found, Detections)
        assert isinstance(alone, Detections)
        np.testing.assert_array_equal(found.boxes_xyxy, alone.boxes_xyxy)


class CpuWithout:
    """Says what a CPU can do."""

    def __init__(self, *capabilities: str) -> None:
        self._capabilities = list(capabilities)

    def get_property(self, device: str, name: str) -> list[str]:
        assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
        return self._capabilities


def test_a_cpu_without_bf16_is_told() -> None:
    with pytest.raises(UsageError, match="this CPU has no bf16; use fp32"):
        check_precision(CpuWithout("FP32", "INT8"), "bf16")
    check_precision(CpuWithout("FP32"), "fp32")
    check_precision(CpuWithout("FP32", "BF16"), "bf16")
