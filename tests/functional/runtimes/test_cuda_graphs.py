"""CUDA graphs of a network give the outputs of its operators one by one, and give way where they cannot be."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.models.inference_form import optimize
from detcli.models.layers import position, query_selection
from detcli.runtimes.graph_recorder import CudaRecorder
from detcli.runtimes.network_graphs import NetworkGraphs
from detcli.runtimes.torch_runtime import Precision, TorchRuntime
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.network_io import Batch, Outputs
from tests.helpers import deformable_detr_samples, detr_samples, dfine_samples, rtdetr_samples
from tests.helpers.exported_models import assert_same_detections

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
GPU = torch.device("cuda", 0)
COUNTS = [4] * 6 + [1] * 6 + [4, 2, 4, 1, 3]


def dfine() -> nn.Module:
    return dfine_samples.random_network(dfine_samples.tiny())


def rtdetr() -> nn.Module:
    return rtdetr_samples.random_network(rtdetr_samples.tiny(2))


def detr() -> nn.Module:
    return detr_samples.random_network(detr_samples.tiny())


def deformable() -> nn.Module:
    return deformable_detr_samples.random_network(deformable_detr_samples.tiny("with-box-refine"))


Make = Callable[[], nn.Module]


def runtime(network: nn.Module, precision: Precision = "fp32", *, graphs: bool = True) -> TorchRuntime:
    recorder = CudaRecorder(GPU) if graphs else None
    return TorchRuntime(network, device=GPU, precision=precision, recorder=recorder)


def graphs_of(owner: TorchRuntime | Detector) -> NetworkGraphs:
    found: Any = owner.runtime if isinstance(owner, Detector) else owner
    graphs: NetworkGraphs = found._graphs
    return graphs


def batch(count: int, seed: int = 1, *, mask: bool = False) -> Batch:
    pixels = dfine_samples.images(count, 96, 128, seed).float()
    sizes = torch.tensor([[96, 128]] * count)
    if not mask:
        return Batch(pixels.to(GPU), None, sizes, sizes)
    pixels, cells = deformable_detr_samples.padded(pixels, [(64, 96)] * count)
    return Batch(pixels.to(GPU), cells.to(GPU), sizes, sizes)


def close(found: Outputs, expected: Outputs, tolerance: float) -> bool:
    pairs = [(found.logits, expected.logits), (found.boxes_cxcywh, expected.boxes_cxcywh)]
    return all(torch.allclose(ours, theirs, atol=tolerance, rtol=tolerance) for ours, theirs in pairs)


def frames(count: int) -> list[Frame | FailedFrame]:
    sequence = ShapeSequence("easy", 1, frames=count, rate=15)
    return [sequence.frame(index) for index in range(count)]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("tf32", 1e-3), ("bf16", 2e-2), ("fp16", 5e-3)])
@pytest.mark.parametrize(
    ("make", "mask"),
    [(dfine, False), (rtdetr, False), (detr, False), (detr, True), (deformable, False), (deformable, True)],
)
def test_outputs_are_those_of_the_operators(make: Make, mask: bool, precision: Precision, tolerance: float) -> None:
    with_graphs, plain = runtime(optimize(make()), precision), runtime(optimize(make()), precision, graphs=False)
    for seed in range(8):
        inputs = batch(2, seed, mask=mask)
        assert close(with_graphs(inputs), plain(inputs), tolerance)
    assert graphs_of(with_graphs).count == 1
    assert with_graphs.remarks == ()


@pytest.mark.parametrize(("precision", "pixels", "score"), [("fp32", 0.1, 1e-3), ("fp16", 1.0, 0.02)])
def test_two_batches_in_flight_of_changing_sizes(
    monkeypatch: pytest.MonkeyPatch, precision: str, pixels: float, score: float
) -> None:
    settings: dict[str, Any] = {"device": "cuda", "precision": precision, "batch_size": 4}
    detector = load_detector("shapes", **settings)
    monkeypatch.setenv("DETCLI_CUDA_GRAPHS", "0")
    plain = load_detector("shapes", **settings)
    images, start = frames(sum(COUNTS)), 0
    pending, found, expected = [], list[Detections | FailedFrame](), list[Detections | FailedFrame]()
    for count in COUNTS:
        some = images[start : start + count]
        start += count
        pending.append(detector.submit(some))
        expected += plain.detect_frames(some)
        if len(pending) == 2:
            found += pending.pop(0).result()
    found += [result for one in pending for result in one.result()]
    assert assert_same_detections(found, expected, pixels=pixels, score=score) > 50
    assert graphs_of(detector).count == 2  # of 4 and 1 images
    assert graphs_of(plain) is None
    assert detector.remarks == plain.remarks == ()


def test_outputs_stay_while_many_batches_follow() -> None:
    with_graphs, plain = runtime(optimize(dfine())), runtime(optimize(dfine()), graphs=False)
    for _ in range(4):
        with_graphs(batch(2))
    found = [with_graphs(batch(2, seed)) for seed in range(12)]
    for seed, outputs in enumerate(found):
        assert close(outputs, plain(batch(2, seed)), 1e-5)


def test_constants_stay_after_their_caches_are_emptied() -> None:
    with_graphs, plain = runtime(optimize(dfine())), runtime(optimize(dfine()), graphs=False)
    for _ in range(4):
        with_graphs(batch(2))
    query_selection._cached_anchor_grid.cache_clear()
    position._cached_sine_grid.cache_clear()
    garbage = [torch.full((size,), float("nan"), device=GPU) for size in (64, 512, 4096, 32768) for _ in range(50)]
    assert close(with_graphs(batch(2, 9)), plain(batch(2, 9)), 1e-5)
    del garbage


def test_threads_with_streams_of_their_own_share_the_graphs() -> None:
    with_graphs, plain = runtime(optimize(dfine())), runtime(optimize(dfine()), graphs=False)
    expected = [plain(batch(2, seed)) for seed in range(8)]
    for _ in range(4):
        with_graphs(batch(2))
    torch.cuda.synchronize()
    wrong: list[int] = []

    def work() -> None:
        with torch.cuda.stream(torch.cuda.Stream(GPU)):
            for seed in [*range(8)] * 4:
                outputs = with_graphs(batch(2, seed))
                torch.cuda.current_stream().synchronize()
                if not close(outputs, expected[seed], 1e-5):
                    wrong.append(seed)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class Waiting(nn.Module):
    """A network that waits for the GPU: as an operator, or where no operator shows it."""

    def __init__(self, wait: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3)
        self.wait = wait

    def forward(self, pixels: Tensor) -> Outputs:
        tokens = self.layer(pixels).flatten(2).mT
        self.wait(tokens)
        return Outputs(tokens[..., :4], tokens[..., 4:].sigmoid())


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: x.nonzero(),
        lambda x: x.cpu(),
        lambda x: torch.cuda.synchronize(),
        lambda x: torch.cuda.current_stream().synchronize(),
    ],
)
def test_a_network_that_waits_runs_without_graphs(wait: Callable[[Tensor], object]) -> None:
    network = Waiting(wait)
    found = runtime(network)
    expected = runtime(network, graphs=False)
    for seed in range(6):
        assert close(found(batch(2, seed)), expected(batch(2, seed)), 1e-5)
    assert graphs_of(found).count == 0
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith("CUDA graphs are off, and the network may be slower: ")
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    other = runtime(optimize(dfine()))  # the GPU and its memory are as before
    for seed in range(5):
        other(batch(2, seed))
    assert graphs_of(other).count == 1


def test_graphs_need_free_memory() -> None:
    class Small(CudaRecorder):
        def free_bytes(self) -> int:
            super().free_bytes()
            return 1 << 10

    found = TorchRuntime(optimize(dfine()), device=GPU, recorder=Small(GPU))
    for _ in range(6):
        found(batch(2))
    assert graphs_of(found).count == 0
    assert found.remarks == ("batches of 2 x 96 x 128 run without a CUDA graph: too little memory is free",)


def test_memory_of_graphs_is_returned() -> None:
    found = runtime(optimize(dfine()))
    found(batch(2))
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved(GPU)
    for count in (8, 16, 32):
        for _ in range(5):
            found(batch(count))
    assert graphs_of(found).count == 3
    found.release_memory()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved(GPU) <= before + (32 << 20)  # workspaces of libraries
    assert close(found(batch(2)), runtime(optimize(dfine()), graphs=False)(batch(2)), 1e-5)


def test_several_graphs_share_their_memory() -> None:
    def reserved(counts: list[int]) -> int:
        found = runtime(optimize(dfine()))
        for count in counts:
            for _ in range(5):
                found(batch(count))
        torch.cuda.empty_cache()
        total = torch.cuda.memory_reserved(GPU)
        assert graphs_of(found).count == len(counts)
        found.release_memory()
        return total

    assert reserved([32, 31, 30]) < 1.7 * reserved([32])


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_gpu_that_is_not_the_current_one() -> None:
    other = torch.device("cuda", 1)
    found = TorchRuntime(optimize(dfine()), device=other, recorder=CudaRecorder(other))
    plain = TorchRuntime(optimize(dfine()), device=GPU)
    for seed in range(6):
        one, two = found(batch(2, seed)), plain(batch(2, seed))
        assert close(Outputs(one.logits.to(GPU), one.boxes_cxcywh.to(GPU)), two, 1e-5)
    assert graphs_of(found).count == 1
    assert torch.cuda.current_device() == 0
