"""The sentence with real threads and hand-made stations: order, bounds, failures, interruption."""

import gc
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.errors import DeviceError, OutputError, TooManyFailuresError
from detcli.pipeline.backpressure import InFlightLimit
from detcli.pipeline.run import FailurePolicy, PipelineSettings, RunStats, run
from detcli.sinks.sink import BaseSink, SinkSettings, sink_class
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels, Resize
from detcli.structures.run_info import RunInfo
from detcli.structures.stop_signal import StopSignal


@dataclass
class FakeImage:
    origin: Origin
    broken: bool = False
    gate: threading.Event | None = None
    side: int = 4

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.broken:
            return FailedFrame(self.origin, "truncated", f"cannot read '{self.origin.file}': truncated")
        pixels = np.full((self.side, self.side, 3), self.origin.index % 256, np.uint8)
        return Frame(self.origin, (self.side, self.side), pixels)


@dataclass
class FakeSource:
    images: Sequence[FakeImage]
    listed: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[FakeImage]:
        for image in self.images:
            self.listed.append(image.origin.index)
            yield image

    def count(self) -> int:
        return len(self.images)


@dataclass
class TwoBoxes:
    """A detector that finds two boxes in every image and remembers its batches."""

    batch_size: int = 4
    deterministic: bool = False
    batches_in_flight: int = 1
    batches: list[int] = field(default_factory=list)
    during: threading.Event | None = None

    @property
    def look_ahead(self) -> int:
        return self.batch_size

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        return list(range(len(frames)))

    def resize(self, image: Image.Image) -> Pixels:
        return np.asarray(image)

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        return frame if isinstance(frame, FailedFrame) else replace(frame, prepared=frame.pixels)

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        self.batches.append(len(frames))
        if self.during is not None:
            self.during.set()
        return [frame if isinstance(frame, FailedFrame) else self.boxes(frame) for frame in frames]

    def boxes(self, frame: Frame) -> Detections:
        boxes = np.array([[0, 0, 1, 1], [1, 1, 3, 3]], np.float64)
        return Detections(boxes, np.array([0.9, 0.5], np.float32), np.array([0, 1], np.int64))


@dataclass
class Collector(BaseSink):
    """A sink that remembers; it can fail at the n-th write."""

    ordered: bool = True
    needs_pixels: bool = False
    fail_at: int | None = None
    seen: list[tuple[int, Detections | FailedFrame]] = field(default_factory=list)
    had_pixels: set[bool] = field(default_factory=set)
    closed: list[bool] = field(default_factory=list)
    aborted: int = 0
    fail_on_close: bool = False

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        if self.fail_at is not None and frame.origin.index == self.fail_at:
            raise OutputError("cannot write: the disk is full")
        if isinstance(frame, Frame):
            self.had_pixels.add(frame.pixels is not None)
            assert frame.prepared is None
        self.seen.append((frame.origin.index, detections))

    def close(self, *, complete: bool) -> None:
        if self.fail_on_close:
            raise OutputError("cannot close: the disk is full")
        self.closed.append(complete)

    def abort(self) -> None:
        self.aborted += 1


def images(count: int, broken: Sequence[int] = (), **kwargs: object) -> list[FakeImage]:
    origins = [Origin(i, f"{i}.png", f"{i}.png", str(i)) for i in range(count)]
    return [FakeImage(origin, origin.index in broken, **kwargs) for origin in origins]  # type: ignore[arg-type]


def indices(sink: Collector) -> list[int]:
    return [index for index, _ in sink.seen]


def test_every_frame_reaches_every_sink_in_order() -> None:
    first, second, loose = Collector(), Collector(), Collector(ordered=False)
    stats = run(
        FakeSource(images(101, broken=[3, 50])),
        TwoBoxes(),
        [first, loose, second],
        settings=PipelineSettings(workers=5),
    )
    assert indices(first) == indices(second) == list(range(101))
    assert sorted(indices(loose)) == list(range(101))
    assert (stats.images, stats.failed, stats.boxes, stats.exit_code) == (99, 2, 198, 3)
    assert first.closed == loose.closed == [True]


def test_a_slow_image_delays_but_never_overtakes() -> None:
    gate = threading.Event()
    listed = images(30)
    listed[2].gate = gate
    sink = Collector()
    others_read = threading.Event()
    last = listed[9]
    original = last.__call__

    class Late(FakeImage):
        def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
            gate.set()
            others_read.set()
            return original()

    listed[9] = Late(last.origin)
    run(FakeSource(listed), TwoBoxes(batch_size=3), [sink], settings=PipelineSettings(workers=4))
    assert others_read.is_set()
    assert indices(sink) == list(range(30))


def test_a_batch_is_at_most_the_batch_size_and_the_input() -> None:
    detector = TwoBoxes(batch_size=8)
    run(FakeSource(images(3)), detector, [Collector()], settings=PipelineSettings(workers=2))
    assert sum(detector.batches) == 3
    detector = TwoBoxes(batch_size=4)
    run(FakeSource(images(50)), detector, [Collector()], settings=PipelineSettings(workers=2))
    assert max(detector.batches) <= 4


def test_a_deterministic_run_fills_every_batch_but_the_last() -> None:
    detector = TwoBoxes(batch_size=4, deterministic=True)
    run(FakeSource(images(11)), detector, [Collector()], settings=PipelineSettings(workers=3))
    assert detector.batches == [4, 4, 3]


def test_a_resumed_deterministic_run_keeps_the_same_batches() -> None:
    detector = TwoBoxes(batch_size=4, deterministic=True)
    run(FakeSource(images(11)[3:]), detector, [Collector()])
    assert detector.batches == [1, 4, 3]


def test_pixels_are_freed_when_no_sink_needs_them() -> None:
    blind, seeing = Collector(), Collector(needs_pixels=True)
    run(FakeSource(images(5)), TwoBoxes(), [blind])
    run(FakeSource(images(5)), TwoBoxes(), [seeing])
    assert blind.had_pixels == {False}
    assert seeing.had_pixels == {True}


def test_a_resumed_run_continues_the_counts() -> None:
    stats = run(FakeSource(images(10)[7:]), TwoBoxes(), [Collector()], stats=RunStats(images=7, boxes=14))
    assert (stats.images, stats.boxes) == (10, 20)


def test_no_images_is_exit_code_4() -> None:
    assert run(FakeSource([]), TwoBoxes(), [Collector()]).exit_code == 4


def test_all_images_failed_is_exit_code_4() -> None:
    assert run(FakeSource(images(3, broken=[0, 1, 2])), TwoBoxes(), [Collector()]).exit_code == 4


@pytest.mark.parametrize("ordered", [True, False])
def test_a_full_disk_ends_the_run_and_closes_every_sink_as_incomplete(ordered: bool) -> None:
    failing, other = Collector(ordered=ordered, fail_at=20), Collector()
    with pytest.raises(OutputError, match="disk is full"):
        run(FakeSource(images(500)), TwoBoxes(), [failing, other], settings=PipelineSettings(workers=3))
    assert failing.closed == other.closed == [False]
    assert indices(other) == list(range(len(other.seen)))
    assert len(other.seen) <= 21


def test_ordered_sinks_get_a_result_after_unordered_ones() -> None:
    """A journal's line promises that the drawn image is on the disk."""
    failing, journal = Collector(ordered=False, fail_at=5), Collector()
    with pytest.raises(OutputError):
        run(FakeSource(images(50)), TwoBoxes(), [failing, journal], settings=PipelineSettings(workers=1))
    assert indices(journal) == [0, 1, 2, 3, 4]


def test_a_sink_that_cannot_close_is_aborted_and_others_are_told() -> None:
    failing, other = Collector(fail_on_close=True), Collector()
    with pytest.raises(OutputError, match="cannot close"):
        run(FakeSource(images(3)), TwoBoxes(), [failing, other])
    assert failing.aborted == 1
    assert other.closed == [False]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("name", ["jsonl", "csv", "coco", "coco-results"])
def test_every_format_reports_a_disk_that_fills_during_the_run(name: str, tmp_path: Path) -> None:
    import resource

    labels = ClassLabels.from_names(["cat", "dog"])
    sink = sink_class(name)(tmp_path / "out", SinkSettings(RunInfo("m", None, None, "0", labels, "now")))
    journal = Collector()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(OutputError, match="is larger"):
            run(FakeSource(images(1000)), TwoBoxes(), [sink, journal])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert journal.closed == [False]


def test_the_error_that_ended_a_run_is_raised_not_one_from_closing() -> None:
    failing, other = Collector(fail_at=3, fail_on_close=True), Collector()
    with pytest.raises(OutputError, match="cannot write"):
        run(FakeSource(images(10)), TwoBoxes(), [failing, other])
    assert failing.aborted == 1
    assert other.closed == [False]


def test_a_lost_device_keeps_the_results_before_it() -> None:
    class Dying(TwoBoxes):
        def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
            if len(self.batches) == 3:
                raise DeviceError("cuda:0 was lost")
            return super().detect_frames(frames)

    sink = Collector()
    detector = Dying(batch_size=2, deterministic=True)
    with pytest.raises(DeviceError):
        run(FakeSource(images(20)), detector, [sink])
    assert indices(sink) == [0, 1, 2, 3, 4, 5]
    assert sink.closed == [False]


def test_a_bug_in_a_reader_is_raised_not_swallowed() -> None:
    class Buggy(FakeImage):
        def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
            raise ZeroDivisionError

    listed = images(4)
    listed[2] = Buggy(listed[2].origin)
    with pytest.raises(ZeroDivisionError):
        run(FakeSource(listed), TwoBoxes(batch_size=1), [Collector()])


def test_a_listing_error_is_raised_after_the_listed_images() -> None:
    class Torn(FakeSource):
        def __iter__(self) -> Iterator[FakeImage]:
            yield from self.images
            raise OutputError("the list broke off")

    sink = Collector()
    with pytest.raises(OutputError, match="broke off"):
        run(Torn(images(6)), TwoBoxes(), [sink])
    assert indices(sink) == list(range(6))


def test_a_stop_finishes_the_batch_and_records_the_signal() -> None:
    stop = StopSignal()
    sink = Collector()

    class Stopping(TwoBoxes):
        def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
            if len(self.batches) == 2:
                stop.set("SIGTERM")
            return super().detect_frames(frames)

    stats = run(FakeSource(images(100)), Stopping(batch_size=2, deterministic=True), [sink], stop=stop)
    assert indices(sink) == [0, 1, 2, 3, 4, 5]
    assert (stats.interrupted, stats.exit_code) == ("SIGTERM", 143)
    assert sink.closed == [False]


def test_stop_is_noticed_while_the_input_is_silent() -> None:
    stop = StopSignal()
    gate = threading.Event()
    listed = images(3)
    listed[1].gate = gate
    detector = TwoBoxes(batch_size=1, during=threading.Event())
    assert detector.during is not None
    stopper = threading.Thread(target=lambda: (detector.during.wait(30), stop.set("SIGINT")))  # type: ignore[union-attr]
    stopper.start()
    stats = run(FakeSource(listed), detector, [Collector()], stop=stop, settings=PipelineSettings(workers=2))
    stopper.join()
    gate.set()
    assert stats.exit_code == 130


def test_a_sink_that_fails_is_noticed_while_the_input_is_silent() -> None:
    """As in `tail -f names | detcli detect - | head -1`."""
    gate = threading.Event()
    listed = images(3)
    listed[1].gate = gate
    with pytest.raises(OutputError, match="disk is full"):
        run(FakeSource(listed), TwoBoxes(batch_size=1), [Collector(fail_at=0)], settings=PipelineSettings(workers=2))
    assert not gate.is_set()
    gate.set()


@pytest.mark.parametrize(("policy", "failed"), [(FailurePolicy(strict=True), 1), (FailurePolicy(max_failures=2), 3)])
def test_the_failure_policy_ends_the_run_at_its_limit(policy: FailurePolicy, failed: int) -> None:
    stats = RunStats()
    with pytest.raises(TooManyFailuresError):
        run(
            FakeSource(images(100, broken=range(10, 100))),
            TwoBoxes(),
            [Collector()],
            settings=PipelineSettings(failures=policy),
            stats=stats,
        )
    assert stats.failed == failed


def test_frames_in_flight_are_bounded_for_any_input_length() -> None:
    """The source is listed only a window ahead of what is written."""
    sink = Collector()
    source = FakeSource(images(2000))
    farthest = 0

    class Watching(TwoBoxes):
        def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
            nonlocal farthest
            farthest = max(farthest, len(source.listed) - len(sink.seen))
            return super().detect_frames(frames)

    run(source, Watching(batch_size=4), [sink], settings=PipelineSettings(workers=2))
    assert len(sink.seen) == 2000
    assert farthest <= 4 * 4 + 4 * 2 + 2


def test_large_images_wait_for_memory_but_a_full_batch_completes() -> None:
    limit = InFlightLimit(frames=100, nbytes=1000, at_least=3)
    frame = FakeImage(Origin(0, "a", "a", "a"), side=20)()
    for _ in range(3):
        assert limit.enter()
        limit.begin()
        limit.hold(frame)
    begun = threading.Event()
    assert limit.enter()
    waiting = threading.Thread(target=lambda: (limit.begin(), begun.set()))
    waiting.start()
    assert not begun.is_set()
    limit.leave(frame)
    limit.leave(frame)
    limit.leave(frame)
    waiting.join(30)
    assert begun.is_set()


@pytest.mark.parametrize("deterministic", [False, True])
def test_waiting_decoded_images_are_bounded_by_their_bytes(
    deterministic: bool,
) -> None:
    """Far fewer large images are decoded ahead than small ones, however many have been listed."""
    side, workers, batch_size = 100, 3, 16
    nbytes = 2 * 5 * side * side * 3  # five: as read, and as prepared
    lock, decoded, most = threading.Lock(), 0, 0

    class Counted(FakeImage):
        def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
            nonlocal decoded, most
            with lock:
                decoded += 1
                most = max(most, decoded)
            return super().__call__(resize)

    def written(frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        nonlocal decoded
        with lock:
            decoded -= 1

    listed = [Counted(image.origin, side=side) for image in images(300)]
    sink = Collector(needs_pixels=True)
    detector = TwoBoxes(batch_size=batch_size, deterministic=deterministic)
    settings = PipelineSettings(workers=workers, bytes_in_flight=nbytes)
    run(FakeSource(listed), detector, [sink], settings=settings, on_result=written)
    assert indices(sink) == list(range(300))
    # Pixels that the detector no longer needs are freed while the image is still on its way to the sinks.
    assert most <= (batch_size if deterministic else 0) + 2 * 5 + workers + 1


def test_frames_are_freed_during_the_run() -> None:
    alive: list[int] = []
    calls = count()

    class Counting(TwoBoxes):
        def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
            if next(calls) % 10 == 9:  # now and then: everything a long session of tests has made is gone through
                gc.collect()
                alive.append(sum(type(thing) is Frame for thing in gc.get_objects()))
            return super().detect_frames(frames)

    run(
        FakeSource(images(300)),
        Counting(batch_size=4),
        [Collector(needs_pixels=True)],
        settings=PipelineSettings(workers=2),
    )
    assert 5 <= len(alive) <= 30
    assert max(alive) < 100
