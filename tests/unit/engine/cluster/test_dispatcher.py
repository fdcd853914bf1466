"""Which worker gets which chunk, with workers that end, wait and differ as a test says."""

from collections import deque
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from detcli.engine.cluster.chunks import ChunkPlan
from detcli.engine.cluster.dispatcher import Dispatcher
from detcli.engine.cluster.ray_workers import ChunkDone, Event, WorkerLost, WorkerReady
from detcli.engine.cluster.worker_job import Chunk, ChunkReport, PartCounts, VideoItem, WorkerFacts
from detcli.engine.observer import LoadedModel, Observer
from detcli.errors import DetcliError, DeviceError, OutputError, UsageError
from detcli.structures.class_labels import ClassLabels
from detcli.structures.run_info import RunInfo
from detcli.structures.stop_signal import StopSignal


def facts(host: str = "a", sha256: str = "1" * 64, **arguments: object) -> WorkerFacts:
    info = RunInfo("m", None, sha256, "1.0", ClassLabels.from_names(["cat"]), "2026", {"runtime": "torch", **arguments})
    model = LoadedModel("m", Path(), None, sha256, "torch", "cpu", "fp32", 1, 0.4)
    return WorkerFacts(host, info, model, uncertainty=False, warnings=("said once",))


class ScriptedWorkers:
    """Workers in this process: `ends` says which inputs end the worker that processes them."""

    def __init__(self, count: int = 2, ends: Callable[[int], bool] = lambda _: False, slow: int | None = None) -> None:
        self.count, self._ends, self._slow = count, ends, slow
        self.events: deque[Event] = deque([WorkerReady(facts())])
        self.calls: list[deque[Chunk]] = [deque() for _ in range(count)]
        self.error: DetcliError | None = None
        self.most_open = 0
        self.is_released = False

    @property
    def has_room(self) -> bool:
        return any(len(calls) < 2 for calls in self.calls)

    def submit(self, chunk: Chunk) -> None:
        min(self.calls, key=len).append(chunk)
        self.most_open = max(self.most_open, sum(map(len, self.calls)))

    def wait(self, timeout_s: float) -> Iterator[Event]:
        if self.events:
            yield self.events.popleft()
            return
        for calls in self.calls:
            if not calls or (calls[0].start == self._slow and not self.is_released):
                continue
            chunk = calls.popleft()
            if not any(self._ends(n) for n in range(chunk.start, chunk.end)):
                yield ChunkDone(chunk, ChunkReport(PartCounts(images=len(chunk.items)), ("said once",)))
                return
            lost = [chunk, *calls]
            calls.clear()
            yield WorkerLost(lost, "it ended", self.error)
            return
        self.is_released = True  # nothing else is left: the slow one may end


class Warnings(Observer):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def on_warning(self, message: str) -> None:
        self.messages.append(message)


def dispatched(
    workers: ScriptedWorkers,
    count: int,
    *,
    chunk: int = 4,
    failed: list[Chunk] | None = None,
    written: Container[int] = (),
) -> tuple[list[tuple[int, int]], Warnings]:
    """The ranges in the order in which they are done, and what was warned of."""
    observer = Warnings()

    def write_failed(chunk: Chunk, message: str) -> PartCounts:
        (failed if failed is not None else []).append(chunk)
        return PartCounts(failed=len(chunk.items))

    def existing(chunk: Chunk) -> PartCounts | None:
        return PartCounts(images=len(chunk.items)) if chunk.start in written else None

    dispatcher = Dispatcher(workers, observer, existing=existing, write_failed=write_failed)  # type: ignore[arg-type]
    dispatcher.first_facts()
    plan = ChunkPlan(
        (VideoItem(f"{n}.mp4", str(n)) for n in range(count)), workers=2, fixed=chunk, at_most=chunk, parts={}
    )
    done = [(part.chunk.start, part.chunk.end) for part in dispatcher.parts(plan, StopSignal())]
    return done, observer


def covered(ranges: list[tuple[int, int]]) -> list[int]:
    return sorted(number for start, end in ranges for number in range(start, end))


def test_every_chunk_is_done_once_and_few_are_sent_at_a_time() -> None:
    workers = ScriptedWorkers()
    done, observer = dispatched(workers, 1000)
    assert covered(done) == list(range(1000))
    assert workers.most_open == 4
    assert observer.messages == ["said once"]


@pytest.mark.parametrize("deadly", [{0}, {5}, {999}, {5, 6}, {3, 500, 501}])
def test_inputs_that_end_workers_fail_and_all_others_are_done(deadly: set[int]) -> None:
    failed: list[Chunk] = []
    done, observer = dispatched(ScriptedWorkers(ends=deadly.__contains__), 1000, chunk=8, failed=failed)
    assert covered(done) == list(range(1000))
    assert {chunk.start for chunk in failed} == deadly
    assert all(len(chunk.items) == 1 for chunk in failed)
    assert len([message for message in observer.messages if "a worker ended" in message]) == 1


def test_a_lost_worker_costs_its_chunk_once() -> None:
    lost = {16}
    done, _ = dispatched(ScriptedWorkers(ends=lambda n: n in lost and not lost.remove(n)), 100)  # type: ignore[func-returns-value]
    assert covered(done) == list(range(100))
    assert (16, 20) in done


def test_others_go_on_while_one_chunk_is_slow_up_to_a_window() -> None:
    done, _ = dispatched(ScriptedWorkers(slow=0), 2000, chunk=1)
    assert covered(done) == list(range(2000))
    assert 30 <= done.index((0, 1)) <= 64  # 32 chunks for each of two workers


def test_workers_that_all_end_end_the_run_in_a_sentence() -> None:
    with pytest.raises(DeviceError, match=r"workers ended, and none has processed its chunk.*mp4'.*it ended"):
        dispatched(ScriptedWorkers(ends=lambda _: True), 1000)


def test_workers_that_end_at_their_start_end_the_run() -> None:
    workers = ScriptedWorkers()
    workers.events = deque([WorkerLost([], "no module named detcli") for _ in range(9)])
    with pytest.raises(DeviceError, match="the workers end while they start: no module named detcli"):
        dispatched(workers, 10)


def test_a_part_whose_worker_ended_before_its_report_is_done() -> None:
    failed: list[Chunk] = []
    workers = ScriptedWorkers(count=1, ends={0, 1}.__contains__)  # 0 is written, and its worker ends on 1 at once
    done, _ = dispatched(workers, 10, chunk=1, failed=failed, written={0})
    assert covered(done) == list(range(10))
    assert [chunk.start for chunk in failed] == [1]


def test_one_deadly_input_of_a_large_chunk_does_not_end_the_run() -> None:
    failed: list[Chunk] = []
    workers = ScriptedWorkers(count=1, ends={4999}.__contains__)
    assert covered(dispatched(workers, 5000, chunk=5000, failed=failed)[0]) == list(range(5000))
    assert [chunk.start for chunk in failed] == [4999]


@pytest.mark.parametrize("error", [OutputError("full"), UsageError("no")])
def test_an_error_of_a_worker_ends_the_run_at_once(error: DetcliError) -> None:
    workers = ScriptedWorkers(ends=lambda n: n == 10)
    workers.error = error
    with pytest.raises(type(error), match=str(error)):
        dispatched(workers, 100)


def test_a_device_that_is_out_of_memory_is_tried_on_other_workers() -> None:
    workers = ScriptedWorkers(ends=lambda n: n == 10)
    workers.error = DeviceError("out of memory")
    with pytest.raises(DeviceError, match="out of memory"):
        dispatched(workers, 100)
    left = [3]
    workers = ScriptedWorkers(ends=lambda n: n == 10 and bool(left) and left.pop() > 0)
    workers.error = DeviceError("out of memory")
    assert covered(dispatched(workers, 100)[0]) == list(range(100))


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (facts("b", "2" * 64), f"sha256 is {'1' * 64} on a, and {'2' * 64} on b"),
        (facts("b", runtime="openvino"), "runtime is torch on a, and openvino on b"),
        (replace(facts("b"), info=replace(facts().info, version="2.0")), "detcli is 1.0 on a, and 2.0 on b"),
    ],
)
def test_workers_with_other_models_or_versions_are_refused(other: WorkerFacts, sentence: str) -> None:
    workers = ScriptedWorkers()
    workers.events.append(WorkerReady(other))
    with pytest.raises(UsageError, match=f"the workers differ: {sentence}"):
        dispatched(workers, 100)


def test_a_stopped_run_sends_no_more() -> None:
    stop = StopSignal()
    workers = ScriptedWorkers()
    dispatcher = Dispatcher(workers, Warnings(), existing=lambda _: None, write_failed=lambda *_: PartCounts())  # type: ignore[arg-type]
    dispatcher.first_facts()
    plan = ChunkPlan((VideoItem(str(n), str(n)) for n in range(100)), workers=2, fixed=1, at_most=1, parts={})
    parts = dispatcher.parts(plan, stop)
    next(parts)
    stop.set()
    assert list(parts) == []
