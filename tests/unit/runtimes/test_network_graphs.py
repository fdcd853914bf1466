"""Graphs of a network: when one is recorded, who owns its memory, and what happens where there can be none."""

import threading
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from detcli.runtimes import network_graphs
from detcli.runtimes.graph_recorder import CudaRecorder, cuda_recorder
from detcli.runtimes.network_graphs import NetworkGraphs
from detcli.structures.network_io import Outputs
from tests.helpers.graph_recorders import CpuRecorder, tensors

PLAIN = network_graphs._PLAIN_CALLS
UNUSED = network_graphs._UNUSED_CALLS
Run = Callable[..., Outputs]


class Doubling:
    """A network whose outputs follow from its input; it counts the calls of its operators."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pixels: Tensor, mask: Tensor | None = None) -> Outputs:
        self.calls += 1
        pixels = pixels if mask is None else pixels.masked_fill(~mask[:, None], 0)
        tokens = pixels.flatten(2).mT
        return Outputs(2 * tokens, tokens.sigmoid(), masks=pixels + 1)


def images(count: int, value: float = 1.0, side: int = 4) -> Tensor:
    return torch.full((count, 3, side, side), value)


def same(found: Outputs, expected: Outputs) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(found), tensors(expected), strict=True))


def warm(graphs: NetworkGraphs, *inputs: Tensor) -> None:
    """Call it until there is a graph for this input, or there is to be none."""
    for _ in range(PLAIN + 1):
        graphs(*inputs)


@pytest.mark.parametrize("with_mask", [False, True])
def test_batches_of_changing_sizes_have_the_outputs_of_the_network(with_mask: bool) -> None:
    recorder = CpuRecorder()
    graphs = NetworkGraphs(Doubling(), recorder)
    generator = torch.Generator().manual_seed(0)
    for count in [4, 4, 1, 4, 4, 2, 4, 1, 4, 1, 4, 1, 1, 4, 3]:  # the last batch of a run is a partial one
        pixels = torch.rand(count, 3, 4, 4, generator=generator)
        mask = torch.rand(count, 4, 4, generator=generator) > 0.5
        inputs = (pixels, mask) if with_mask else (pixels,)
        assert same(graphs(*inputs), Doubling()(*inputs))
    assert recorder.recorded == graphs.count == 2  # 4 and 1
    assert recorder.replays > 0


def test_a_shape_is_recorded_after_it_came_a_few_times() -> None:
    network, recorder = Doubling(), CpuRecorder()
    graphs = NetworkGraphs(network, recorder)
    for call in range(1, PLAIN + 1):
        graphs(images(2))
        assert (network.calls, recorder.recorded) == (call, 0)
    graphs(images(2))
    assert (recorder.recorded, recorder.replays) == (1, 1)
    calls = network.calls
    graphs(images(2))
    assert (recorder.recorded, recorder.replays, network.calls) == (1, 2, calls + 1)  # the stand-in replays by a call


@pytest.mark.parametrize("in_flight", [2, 3])
def test_outputs_stay_when_the_next_batches_run_before_they_are_read(in_flight: int) -> None:
    graphs = NetworkGraphs(Doubling(), CpuRecorder())
    warm(graphs, images(2))
    pending = [graphs(images(2, value)) for value in range(in_flight)]
    assert all(same(found, Doubling()(images(2, value))) for value, found in enumerate(pending))


def test_an_input_may_be_overwritten_after_the_call() -> None:
    graphs = NetworkGraphs(Doubling(), CpuRecorder())
    warm(graphs, images(2))
    pixels = images(2, 5.0)
    found = graphs(pixels)
    pixels.zero_()
    assert same(found, Doubling()(images(2, 5.0)))
    assert torch.equal(pixels, images(2, 0.0))  # nor does a graph write to it


def test_the_number_of_graphs_is_limited() -> None:
    recorder = CpuRecorder()
    graphs = NetworkGraphs(Doubling(), recorder, most=2)
    for count in (1, 2, 3, 4):
        warm(graphs, images(count))
    assert graphs.count == recorder.recorded == 2
    assert same(graphs(images(4)), Doubling()(images(4)))
    assert graphs.remarks == ()


def test_a_graph_that_is_used_no_more_makes_room() -> None:
    recorder = CpuRecorder()
    graphs = NetworkGraphs(Doubling(), recorder, most=2)
    for count in (1, 2):
        warm(graphs, images(count))
    for _ in range(UNUSED + 2):
        graphs(images(2))
    warm(graphs, images(3))
    assert (graphs.count, recorder.recorded, recorder.released) == (2, 3, 1)
    replays = recorder.replays
    graphs(images(2))
    assert recorder.replays == replays + 1  # the graph in use stayed


def test_shapes_types_and_memory_orders_have_graphs_of_their_own() -> None:
    recorder = CpuRecorder()
    graphs = NetworkGraphs(Doubling(), recorder, most=9)
    for pixels in (images(2), images(2, side=6), images(2).double(), images(2).to(memory_format=torch.channels_last)):
        warm(graphs, pixels)
        assert same(graphs(pixels), Doubling()(pixels))
    assert recorder.recorded == 4


def waits_for_a_number(pixels: Tensor) -> Outputs:
    return Outputs(pixels * float(pixels.max()), pixels)


def has_a_constant(pixels: Tensor) -> Outputs:
    return Outputs(pixels * torch.tensor([2.0]), pixels)


def has_a_variable_size(pixels: Tensor) -> Outputs:
    return Outputs(pixels[pixels > 0], pixels)


@pytest.mark.parametrize(
    ("network", "operator"),
    [
        (waits_for_a_number, "aten._local_scalar_dense"),
        (has_a_constant, "aten.lift_fresh"),
        (has_a_variable_size, "aten.index"),
    ],
)
def test_a_network_that_waits_for_the_host_is_never_recorded(network: Run, operator: str) -> None:
    recorder = CpuRecorder()
    graphs = NetworkGraphs(network, recorder)
    for _ in range(3):
        warm(graphs, images(2))
    assert recorder.recorded == graphs.count == 0
    assert graphs.remarks == (f"CUDA graphs are off, and the network may be slower: {operator} waits for the device",)
    assert same(graphs(images(2)), network(images(2)))


def test_a_recording_that_fails_is_tried_once_and_said_once() -> None:
    recorder = CpuRecorder(error=RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore"))
    network = Doubling()
    graphs = NetworkGraphs(network, recorder)
    for count in (1, 2, 1, 2):
        warm(graphs, images(count))
    assert network.calls == 4 * (PLAIN + 1) + 1  # one to warm up
    assert len(graphs.remarks) == 1
    assert "operation not permitted when stream is capturing" in graphs.remarks[0]
    assert "more" not in graphs.remarks[0].split(":", 1)[1]
    assert same(graphs(images(2)), Doubling()(images(2)))


def test_a_graph_needs_its_memory_twice() -> None:
    for free, recorded in ((19, 0), (20, 1)):
        recorder = CpuRecorder(free=free, needed=10)
        graphs = NetworkGraphs(Doubling(), recorder)
        for _ in range(2):
            warm(graphs, images(2))
        assert recorder.recorded == recorded
        remark = "batches of 2 x 4 x 4 run without a CUDA graph: too little memory is free"
        assert graphs.remarks == (() if recorded else (remark,))


def test_memory_that_is_missing_for_one_shape_leaves_the_others() -> None:
    recorder = CpuRecorder(error=torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"))
    graphs = NetworkGraphs(Doubling(), recorder)
    warm(graphs, images(8))
    recorder.error = None
    warm(graphs, images(2))
    warm(graphs, images(8))
    assert (recorder.recorded, len(graphs.remarks)) == (1, 1)
    assert same(graphs(images(8)), Doubling()(images(8)))


class Hungry(Doubling):
    """A network that has no memory for large batches as long as there are graphs."""

    graphs: NetworkGraphs

    def __call__(self, pixels: Tensor, mask: Tensor | None = None) -> Outputs:
        if len(pixels) > 2 and self.graphs.count:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return super().__call__(pixels, mask)


def test_graphs_give_way_to_a_batch_that_does_not_fit_beside_them() -> None:
    network, recorder = Hungry(), CpuRecorder()
    graphs = network.graphs = NetworkGraphs(network, recorder)
    warm(graphs, images(2))
    assert graphs.count == 1
    assert same(graphs(images(4)), Doubling()(images(4)))
    assert (graphs.count, recorder.released) == (0, 1)
    warm(graphs, images(2))
    assert recorder.recorded == 1  # they stay off
    assert graphs.remarks == ("CUDA graphs are off, and the network may be slower: memory ran out",)


def test_without_graphs_missing_memory_is_an_error() -> None:
    def network(pixels: Tensor) -> Outputs:
        raise torch.OutOfMemoryError("CUDA out of memory")

    graphs = NetworkGraphs(network, CpuRecorder())
    for _ in range(PLAIN + 2):
        with pytest.raises(torch.OutOfMemoryError):
            graphs(images(2))


def test_memory_is_released_with_all_graphs() -> None:
    recorder = CpuRecorder()
    graphs = NetworkGraphs(Doubling(), recorder)
    graphs.release_memory()
    assert graphs.remarks == ()  # there were none: they stay on
    warm(graphs, images(2))
    graphs.release_memory()
    assert (graphs.count, recorder.released, len(graphs.remarks)) == (0, 1, 1)
    assert same(graphs(images(2)), Doubling()(images(2)))


def test_a_bug_of_the_network_stays_a_bug() -> None:
    def network(pixels: Tensor) -> Outputs:
        raise ValueError("mat1 and mat2 shapes")

    graphs = NetworkGraphs(network, CpuRecorder())
    for _ in range(PLAIN + 2):
        with pytest.raises(ValueError, match="mat1"):
            graphs(images(2))


def test_a_constant_lives_as_long_as_the_graph_that_reads_it() -> None:
    cache = {"factor": torch.full((1,), 3.0)}
    alive = weakref.ref(cache["factor"])
    made: list[weakref.ref[Tensor]] = []

    def network(pixels: Tensor) -> Outputs:
        doubled = pixels + pixels
        made.append(weakref.ref(doubled))
        return Outputs(doubled * cache["factor"], pixels.sigmoid())

    graphs = NetworkGraphs(network, CpuRecorder())
    warm(graphs, images(2))
    cache["factor"] = torch.full((1,), 3.0)  # as a cache does that drops an entry and makes it again later
    assert alive() is not None
    assert not any(one() is not None for one in made)  # results between are not kept
    graphs.release_memory()
    assert alive() is None


def test_threads_share_the_graphs_of_a_network() -> None:
    graphs = NetworkGraphs(Doubling(), CpuRecorder())
    wrong: list[float] = []

    def work(start: float) -> None:
        values = [start + step for step in range(50)]
        wrong.extend(x for x in values if not same(graphs(images(2, x)), Doubling()(images(2, x))))

    threads = [threading.Thread(target=work, args=(1000.0 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(("value", "is_on"), [(None, True), ("1", True), ("", True), ("0", False), (" 0 ", False)])
def test_a_variable_turns_them_off(monkeypatch: pytest.MonkeyPatch, value: str | None, is_on: bool) -> None:
    monkeypatch.delenv("DETCLI_CUDA_GRAPHS", raising=False)
    if value is not None:
        monkeypatch.setenv("DETCLI_CUDA_GRAPHS", value)
    assert isinstance(cuda_recorder(torch.device("cuda", 0)), CudaRecorder) == is_on
    assert cuda_recorder(torch.device("cpu")) is None
