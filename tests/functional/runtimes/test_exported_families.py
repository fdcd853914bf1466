"""Exported networks of all families give the outputs of torch: with any number of images, and of any size."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from detcli.inference.load import load_detector
from detcli.runtimes.exported.exported_facts import ExportedFacts
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers import detr_samples
from tests.helpers.exported_families import (
    CASES,
    ExportCase,
    assert_same_outputs,
    detr,
    export_case,
    export_checkpoint,
    outputs_of_runtime,
    outputs_of_torch,
    random_pixels,
    write_case,
)
from tests.helpers.exported_models import assert_same_detections, random_frames, write_onnx
from tests.helpers.segment_samples import write_panoptic_model

RUNTIMES = ["openvino", "onnx"]

# Batch, height and width: larger and smaller than in the trace, odd, and fewer tokens than queries.
SIZES = [(2, 160, 192), (1, 161, 131), (3, 288, 384), (1, 40, 33)]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> ExportCase:
    return CASES[request.param]


@pytest.fixture(scope="module")
def exported(case: ExportCase, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportedFacts]:
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    return path, export_case(case, path)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_outputs_are_those_of_torch(case: ExportCase, exported: tuple[Path, ExportedFacts], runtime: str) -> None:
    path, facts = exported
    size = case.preprocessing.size_hw
    shapes = SIZES if size is None else [(2, *size), (1, *size), (3, *size)]
    batches = [random_pixels(*shape) for shape in shapes]
    network = case.network()
    for pixels, found in zip(batches, outputs_of_runtime(runtime, path, facts, *batches), strict=True):
        assert_same_outputs(found, outputs_of_torch(network, facts, pixels), pixels.shape[1:3])


def test_graphs_compute_in_float32(exported: tuple[Path, ExportedFacts]) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(exported[0]))
    kinds = {value.type.tensor_type.elem_type for value in model.graph.value_info}
    assert onnx.TensorProto.FLOAT in kinds
    assert onnx.TensorProto.DOUBLE not in kinds


@pytest.fixture(scope="module", params=["dfine", "detr", "deformable-two-stage"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(CASES[request.param], tmp_path_factory.mktemp("checkpoint") / "model")


def _frames_of_many_sizes() -> list[Frame | FailedFrame]:
    return [
        frame
        for seed, size in enumerate([(90, 120), (120, 90), (90, 120), (200, 200), (30, 20)])
        for frame in random_frames(1, size, seed)
    ]


@pytest.mark.parametrize(
    ("runtime", "outputs", "batch"),
    [("openvino", "boxes", None), ("onnx", "boxes", None), ("openvino", "raw", 2), ("onnx", "raw", 2)],
)
def test_detections_are_those_of_the_checkpoint(
    checkpoint: Path, tmp_path: Path, runtime: str, outputs: str, batch: int | None
) -> None:
    path = export_checkpoint(checkpoint, tmp_path / "model.onnx", outputs=outputs, batch=batch)
    frames = _frames_of_many_sizes()
    expected = load_detector(checkpoint, threshold=0.0).detect_frames(frames)
    found = load_detector(path, threshold=0.0, runtime=runtime).detect_frames(frames)
    assert assert_same_detections(found, expected, pixels=0.1, score=1e-3) > 20


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("task", ["panoptic", "instance", "semantic"])
def test_segments_are_those_of_the_checkpoint(tmp_path: Path, runtime: str, task: str) -> None:
    checkpoint = write_panoptic_model(tmp_path / "checkpoint")
    path = export_checkpoint(checkpoint, tmp_path / "model.onnx", masks=True)
    frames = _frames_of_many_sizes()
    expected = load_detector(checkpoint, threshold=0.1, segmentation=task).detect_frames(frames)
    found = load_detector(path, threshold=0.1, segmentation=task, runtime=runtime).detect_frames(frames)
    count = 0
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours, Detections)
        assert isinstance(theirs, Detections)
        np.testing.assert_array_equal(ours.class_ids, theirs.class_ids)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-3)
        for own, other in zip(ours.masks or (), theirs.masks or (), strict=True):
            assert (own.decode() != other.decode()).mean() < 1e-3
            count += 1
    assert count >= 5


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_masks_of_many_queries_are_computed_in_parts(tmp_path: Path, runtime: str) -> None:
    case = detr(**detr_samples.SEGMENTING, num_queries=25)
    network, path = case.network(), tmp_path / "model.onnx"
    facts = write_onnx(network, case.family, case.preprocessing, path, masks=True)
    names = [node.name for node in onnx.load(path).graph.node if node.op_type == "Conv"]
    assert sum("/mask_head/output" in name for name in names) == 3  # of 10, 10 and 5 queries
    batches = [random_pixels(*shape) for shape in ((2, 96, 128), (1, 131, 203))]
    for pixels, found in zip(batches, outputs_of_runtime(runtime, path, facts, *batches), strict=True):
        assert found.masks is not None
        assert found.masks.shape[1] == 25
        assert_same_outputs(found, outputs_of_torch(network, facts, pixels), pixels.shape[1:3])
