"""A detector that chooses its batches: order is kept, frames in flight are bounded, and no frame waits for others."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from PIL import Image

from detcli.errors import DeviceError, OutputError
from detcli.inference.batches.pending_detections import PendingDetections
from detcli.pipeline.run import PipelineSettings, run
from detcli.sinks.sink import BaseSink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels, Resize
from detcli.structures.stop_signal import StopSignal


@dataclass
class FakeImage:
    """An image whose side follows from its index modulo three: three alternating sizes."""

    origin: Origin
    broken: bool = False
    gate: threading.Event | None = None

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.broken:
            return FailedFrame(self.origin, "truncated", "truncated")
        side = 2 + self.origin.index % 3
        return Frame(self.origin, (side, side), np.zeros((side, side, 3), np.uint8))


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
class OfOneSize:
    """A detector whose batches hold images of one size, chosen from a look-ahead; the box tells which image."""

    batch_size: int = 4
    look_ahead: int = 24
    deterministic: bool = False
    batches_in_flight: int = 1
    batches: list[list[int]] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)

    def resize(self, image: Image.Image) -> Pixels:
        return np.asarray(image)

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        return frame if isinstance(frame, FailedFrame) else replace(frame, prepared=frame.pixels)

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        self.offered.append(len(frames))
        if isinstance(frames[0], FailedFrame):
            return [0]
        size = frames[0].size_hw
        return [index for index, frame in enumerate(frames) if isinstance(frame, Frame) and frame.size_hw == size][
            : self.batch_size
        ]

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        self.batches.append([frame.origin.index for frame in frames])
        return [frame if isinstance(frame, FailedFrame) else box_of(frame.origin.index) for frame in frames]


@dataclass
class Asynchronous(OfOneSize):
    """The same with several batches at once, which end in the opposite order; `lost_after` results the device is lost."""

    batches_in_flight: int = 3
    lost_after: int = 10**9
    most_at_once: int = 0
    collected: int = 0

    def submit(self, frames: Sequence[Frame | FailedFrame]) -> PendingDetections:
        detections = self.detect_frames(frames)
        self.most_at_once = max(self.most_at_once, len(self.batches) - self.collected)
        return Uncollected(self, detections)


@dataclass
class Uncollected:
    """Results that count when they are collected."""

    detector: Asynchronous
    detections: list[Detections | FailedFrame]

    def result(self) -> list[Detections | FailedFrame]:
        if self.detector.collected == self.detector.lost_after:
            raise DeviceError("the device was lost")
        self.detector.collected += 1
        return self.detections


def box_of(index: int) -> Detections:
    return Detections(np.array([[0.0, 0, index + 1, 1]]), np.array([0.5], np.float32), np.array([0], np.int64))


@dataclass
class Collector(BaseSink):
    """A sink that remembers, and tells of each result; it can fail at the n-th."""

    ordered: bool = True
    needs_pixels: bool = False
    fail_at: int | None = None
    seen: list[tuple[int, Detections | FailedFrame]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        if frame.origin.index == self.fail_at:
            raise OutputError("cannot write: the disk is full")
        self.seen.append((frame.origin.index, detections))
        self.arrived.release()


def images(count: int, broken: Sequence[int] = (), gates: dict[int, threading.Event] | None = None) -> FakeSource:
    origins = [Origin(i, f"{i}.png", f"{i}.png", str(i)) for i in range(count)]
    return FakeSource([FakeImage(one, one.index in broken, (gates or {}).get(one.index)) for one in origins])


def ready_at_once(count: int) -> FakeSource:
    """Images of which the first is read when all others are, so that the first choice is from many."""
    source, first, left = images(count), threading.Event(), threading.Semaphore(count - 2)

    class Counted(FakeImage):
        def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
            if not left.acquire(blocking=False):
                first.set()
            return super().__call__(resize)

    rest = [Counted(image.origin) for image in source.images[1:]]
    return FakeSource([replace(source.images[0], gate=first), *rest])


def test_results_keep_input_order_and_match_their_images() -> None:
    sink, loose, detector = Collector(), Collector(ordered=False), OfOneSize()
    stats = run(images(100, broken=[0, 7, 50]), detector, [sink, loose], settings=PipelineSettings(workers=4))
    assert [index for index, _ in sink.seen] == list(range(100))
    for index, detections in sink.seen:
        assert isinstance(detections, FailedFrame) or detections.boxes_xyxy[0, 2] == index + 1
    assert (stats.images, stats.failed) == (97, 3)
    assert sorted(index for batch in detector.batches for index in batch) == list(range(100))


def test_batches_are_chosen_across_the_look_ahead() -> None:
    detector = OfOneSize()
    run(ready_at_once(12), detector, [Collector()], settings=PipelineSettings(workers=2))
    assert detector.batches == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


def test_the_image_that_is_next_is_in_the_next_batch() -> None:
    detector = OfOneSize()
    run(images(60), detector, [Collector()], settings=PipelineSettings(workers=3))
    done: set[int] = set()
    for batch in detector.batches:
        assert batch[0] == min(set(range(60)) - done)
        done.update(batch)


def test_the_detector_is_offered_at_most_its_look_ahead() -> None:
    detector = OfOneSize(look_ahead=10)
    run(images(200), detector, [Collector()], settings=PipelineSettings(workers=3))
    assert max(detector.offered) <= 10


def test_a_slow_input_gets_each_result_before_the_next_image() -> None:
    """As in `inotifywait … | detcli detect -`: a look-ahead that is never full holds nothing back."""
    gates = {index: threading.Event() for index in range(5)}
    sink = Collector()
    runner = threading.Thread(
        target=lambda: run(images(5, gates=gates), OfOneSize(), [sink], settings=PipelineSettings(workers=2))
    )
    runner.start()
    for index in range(5):
        gates[index].set()
        assert sink.arrived.acquire(timeout=30), "the result waits for images that are not there yet"
        assert len(sink.seen) == index + 1
    runner.join(30)
    assert not runner.is_alive()


def test_frames_in_flight_are_bounded_for_any_input_length() -> None:
    sink, source, farthest = Collector(), images(1500), 0

    class Watching(OfOneSize):
        def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
            nonlocal farthest
            farthest = max(farthest, len(source.listed) - len(sink.seen))
            return super().detect_frames(frames)

    run(source, Watching(), [sink], settings=PipelineSettings(workers=2))
    assert len(sink.seen) == 1500
    assert farthest <= 24 + 3 * 4 + 4 * 2 + 2


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_stop_ends_after_the_current_batch_and_leaves_no_gap(stop_after: int) -> None:
    stop, sink = StopSignal(), Collector()

    class Stopping(OfOneSize):
        def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
            if len(self.batches) + 1 == stop_after:
                stop.set("SIGTERM")
            return super().detect_frames(frames)

    stats = run(ready_at_once(24), Stopping(), [sink], settings=PipelineSettings(workers=2), stop=stop)
    assert [index for index, _ in sink.seen] == list(range(stop_after))
    assert stats.exit_code == 143


def test_a_full_disk_ends_the_run() -> None:
    sink = Collector(fail_at=20)
    with pytest.raises(OutputError, match="disk is full"):
        run(images(300), OfOneSize(), [sink], settings=PipelineSettings(workers=3))
    assert [index for index, _ in sink.seen] == list(range(20))


def test_a_look_ahead_that_shrinks_during_the_run_loses_nothing() -> None:
    class Shrinking(OfOneSize):
        def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
            self.batch_size = self.look_ahead = 1
            return super().detect_frames(frames)

    sink = Collector()
    run(images(50), Shrinking(), [sink], settings=PipelineSettings(workers=2))
    assert [index for index, _ in sink.seen] == list(range(50))


def test_several_batches_at_once_keep_the_input_order() -> None:
    sink, detector = Collector(), Asynchronous()
    stats = run(images(100, broken=[0, 7, 50]), detector, [sink], settings=PipelineSettings(workers=4))
    assert [index for index, _ in sink.seen] == list(range(100))
    for index, detections in sink.seen:
        assert isinstance(detections, FailedFrame) or detections.boxes_xyxy[0, 2] == index + 1
    assert (stats.images, stats.failed) == (97, 3)
    assert sorted(index for batch in detector.batches for index in batch) == list(range(100))


@pytest.mark.parametrize("batches", [2, 3, 7])
def test_the_detector_is_kept_busy_with_as_many_batches_as_it_wants(batches: int) -> None:
    detector = Asynchronous(batch_size=1, look_ahead=1, batches_in_flight=batches)
    gate = threading.Event()
    source = images(60, gates={0: gate})

    class Counted(FakeImage):
        def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
            gate.set()
            return super().__call__(resize)

    ready = FakeSource([*source.images[:1], *[Counted(image.origin) for image in source.images[1:]]])
    run(ready, detector, [Collector()], settings=PipelineSettings(workers=4))
    assert 2 <= detector.most_at_once <= batches


def test_a_slow_input_gets_each_result_at_once_with_several_batches() -> None:
    gates = {index: threading.Event() for index in range(5)}
    sink = Collector()
    runner = threading.Thread(
        target=lambda: run(images(5, gates=gates), Asynchronous(), [sink], settings=PipelineSettings(workers=2))
    )
    runner.start()
    for index in range(5):
        gates[index].set()
        assert sink.arrived.acquire(timeout=30), "the result waits for images that are not there yet"
    runner.join(30)
    assert not runner.is_alive()


@pytest.mark.parametrize("after", [0, 3, 5])
def test_a_device_lost_in_the_middle_keeps_the_results_before(after: int) -> None:
    sink = Collector()
    with pytest.raises(DeviceError, match="lost"):
        run(
            images(60),
            Asynchronous(batch_size=1, look_ahead=1, lost_after=after),
            [sink],
            settings=PipelineSettings(workers=2),
        )
    assert [index for index, _ in sink.seen] == list(range(after))


def test_a_stop_with_several_batches_at_once_leaves_no_gap() -> None:
    stop, sink = StopSignal(), Collector()

    class Stopping(Asynchronous):
        def submit(self, frames: Sequence[Frame | FailedFrame]) -> PendingDetections:
            if len(self.batches) == 5:
                stop.set("SIGTERM")
            return super().submit(frames)

    stats = run(
        images(60), Stopping(batch_size=1, look_ahead=1), [sink], settings=PipelineSettings(workers=2), stop=stop
    )
    assert [index for index, _ in sink.seen] == list(range(len(sink.seen)))
    assert len(sink.seen) < 60
    assert stats.exit_code == 143
