"""A detector whose network runs as graphs gives the detections of one that does not, to the last bit."""

import copy
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from detcli.inference import load_checkpoint
from detcli.inference.batches.batching import BatchSettings
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.inference.model_info import ModelInfo
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import FixedSize
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.torch_runtime import TorchRuntime
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.network_io import Batch, Outputs
from tests.helpers.exported_models import assert_same_detections, random_frames
from tests.helpers.graph_recorders import CpuRecorder

CPU = torch.device("cpu")
COUNTS = [4] * 6 + [1] * 6 + [4, 2, 4, 1, 3]


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[CpuRecorder]:
    """The stand-ins of the detectors that are loaded meanwhile."""
    made: list[CpuRecorder] = []

    def make(device: torch.device) -> CpuRecorder:
        made.append(CpuRecorder())
        return made[-1]

    monkeypatch.setattr(load_checkpoint, "cuda_recorder", make)
    return made


def same_bytes(found: list[Detections | FailedFrame], expected: list[Detections | FailedFrame]) -> bool:
    return all(
        isinstance(ours, Detections)
        and isinstance(theirs, Detections)
        and np.array_equal(ours.boxes_xyxy, theirs.boxes_xyxy)
        and np.array_equal(ours.scores, theirs.scores)
        and np.array_equal(ours.class_ids, theirs.class_ids)
        for ours, theirs in zip(found, expected, strict=True)
    )


def in_flight(detector: Detector, batches: list[list[Frame | FailedFrame]]) -> list[list[Detections | FailedFrame]]:
    """Results with two batches in flight."""
    results, pending = [], []
    for batch in batches:
        pending.append(detector.submit(batch))
        if len(pending) == 2:
            results.append(pending.pop(0).result())
    return [*results, *(one.result() for one in pending)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_batches_in_flight_of_changing_sizes(
    tiny_checkpoint: Path, recorders: list[CpuRecorder], monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    settings: dict[str, Any] = {"threshold": 0.05, "precision": precision, "batch_size": 4, "device": "cpu"}
    graphs = load_detector(str(tiny_checkpoint), **settings)
    monkeypatch.setattr(load_checkpoint, "cuda_recorder", lambda device: None)
    plain = load_detector(str(tiny_checkpoint), **settings)
    frames = random_frames(sum(COUNTS))
    batches = [frames[sum(COUNTS[:i]) : sum(COUNTS[: i + 1])] for i in range(len(COUNTS))]
    found = in_flight(graphs, batches)
    expected = [plain.detect_frames(batch) for batch in batches]
    assert all(same_bytes(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert sum(len(one) for batch in expected for one in batch if isinstance(one, Detections)) > 20
    assert recorders[0].recorded == 2  # of 4 and 1 images
    assert recorders[0].replays == 3 + 3 + 3
    assert graphs.remarks == plain.remarks == ()


@pytest.mark.parametrize("settings", [{"deterministic": True}, {"compile": True}])
def test_other_settings_have_no_graphs(
    tiny_checkpoint: Path, recorders: list[CpuRecorder], settings: dict[str, bool]
) -> None:
    load_detector(str(tiny_checkpoint), device="cpu", **settings)  # type: ignore[arg-type]
    assert recorders == []


def test_graphs_of_a_reduced_network(tiny_checkpoint: Path, recorders: list[CpuRecorder]) -> None:
    detector = load_detector(str(tiny_checkpoint), threshold=0.05, queries=9, decoder_layers=1, device="cpu")
    frames = random_frames(4)
    results = [detector.detect_frames(frames) for _ in range(6)]
    assert all(same_bytes(one, results[0]) for one in results)
    assert recorders[0].recorded == 1


def test_memory_that_runs_out_turns_them_off_and_loses_nothing(
    tiny_checkpoint: Path, recorders: list[CpuRecorder]
) -> None:
    detector = load_detector(str(tiny_checkpoint), threshold=0.05, batch_size=4, device="cpu")
    frames = random_frames(4)
    expected = [detector.detect_frames(frames) for _ in range(5)][-1]
    assert recorders[0].replays > 0
    detector.runtime.release_memory()  # as the detector does after a batch that did not fit
    assert recorders[0].released == 1
    assert same_bytes(detector.detect_frames(frames), expected)
    assert detector.remarks == ("CUDA graphs are off, and the network may be slower: memory ran out",)


class Hungry(nn.Module):
    """A network that has no memory for more than one image beside graphs, nor for more than `room` without them."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 8, stride=8)
        self.room, self.runtime = room, cast("Any", None)

    def forward(self, pixels: Tensor) -> Outputs:
        if len(pixels) > (1 if self.runtime._graphs.count else self.room):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        tokens = self.layer(pixels).flatten(2).mT
        return Outputs(tokens[..., :4], tokens[..., 4:].sigmoid())


@pytest.mark.parametrize(("room", "batch_size"), [(4, 4), (2, 2)])
def test_graphs_are_deleted_before_the_batch_is_halved(room: int, batch_size: int) -> None:
    torch.manual_seed(0)
    network = Hungry(room)
    network.runtime = runtime = TorchRuntime(network, device=CPU, recorder=CpuRecorder())
    detector = Detector(
        ModelInfo(cast("Any", None), ClassLabels.from_names(["a", "b", "c", "d"])),
        runtime,
        preprocessor=Preprocessor(Preprocessing(FixedSize((64, 96))), CPU),
        selection=Selection(0.1),
        batches=BatchSettings(4),
    )
    frames = random_frames(8)
    alone = [detector.detect_frames([frame])[0] for frame in frames]
    assert runtime._graphs is not None
    assert runtime._graphs.count == 1
    assert assert_same_detections(detector.detect_frames(frames), alone, pixels=1e-3, score=1e-5) > 20
    assert detector.batch_size == batch_size
    assert runtime._graphs.count == 0
    assert detector.remarks == ("CUDA graphs are off, and the network may be slower: memory ran out",)


def test_outputs_are_float32_and_those_of_the_plain_runtime() -> None:
    from detcli.models.family import FAMILIES

    torch.manual_seed(0)
    family = FAMILIES["dfine"]
    network = family.optimize(family.build(family.published_config("n", ["a", "b"])).eval())
    sizes = torch.tensor([[96, 96]])
    for precision in ("fp32", "bf16"):
        recorder = CpuRecorder()
        settings: dict[str, Any] = {"device": torch.device("cpu"), "precision": precision}
        graphs = TorchRuntime(copy.deepcopy(network), recorder=recorder, **settings)
        plain = TorchRuntime(copy.deepcopy(network), **settings)
        for _ in range(5):
            batch = Batch(torch.rand(1, 3, 96, 96), None, sizes, sizes)
            found, expected = graphs(batch), plain(batch)
            assert found.logits.dtype is found.boxes_cxcywh.dtype is torch.float32
            assert torch.equal(found.logits, expected.logits)
            assert torch.equal(found.boxes_cxcywh, expected.boxes_cxcywh)
        assert recorder.replays == 2
