"""Runs on several devices, with two real processes on the CPU: the results are those of one process."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from detcli.api.detect import detect
from detcli.api.segment import segment
from detcli.engine.run import run, run_detector
from detcli.errors import DeviceError, TooManyFailuresError, UnknownClassError, UsageError
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.pipeline.devices.multi_device_detector import MultiDeviceDetector, load_on_devices
from detcli.pipeline.devices.worker import Worker, WorkerSettings
from detcli.pipeline.devices.worker_pool import PoolSettings
from detcli.pipeline.failure_policy import FailurePolicy
from detcli.pipeline.run import PipelineSettings
from detcli.pipeline.run import run as run_pipeline
from detcli.sinks.sink import BaseSink
from detcli.sources.source import SourceItem, SourceSettings, make_source
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize
from detcli.structures.stop_signal import StopSignal
from tests.helpers.cli_fixtures import _no_user_settings, _one_thread, images, model
from tests.helpers.cli_runs import broken, image
from tests.helpers.device_runs import assert_gone, device_processes, held_images
from tests.helpers.engine_runs import RecordingObserver, image_request
from tests.helpers.segment_samples import write_panoptic_model

__all__ = ["_no_user_settings", "_one_thread", "images", "model"]

Started = Callable[[], list[psutil.Process]]
SETTINGS: dict[str, Any] = {"threshold": 0.01, "max_detections": 2, "device": "cpu", "deterministic": False}


class Ignored:
    """A listener of loading."""

    def start(self, total: int | None, description: str) -> None: ...
    def advance(self, count: int) -> None: ...
    def finish(self) -> None: ...
    def on_preparation(self, message: str) -> None: ...


class Kept(BaseSink):
    """Keeps results in the order in which they come."""

    ordered = True

    def __init__(self, *, needs_pixels: bool = False) -> None:
        self.needs_pixels = needs_pixels
        self.results: list[tuple[Frame | FailedFrame, Detections | FailedFrame]] = []
        self.complete: bool | None = None

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self.results.append((frame, detections))

    def close(self, *, complete: bool) -> None:
        self.complete = complete


@dataclass
class Items:
    """A source of these items."""

    items: list[SourceItem]
    listed: int = 0

    def __iter__(self) -> Iterator[SourceItem]:
        for item in self.items:
            self.listed += 1
            yield item

    def count(self) -> int | None:
        return None


@pytest.fixture(scope="module")
def one(model: Path) -> Detector:
    """A detector in this process."""
    return load_detector(model, threshold=0.01, max_detections=2, device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def two(model: Path) -> Iterator[MultiDeviceDetector]:
    """The same in two processes."""
    settings = PoolSettings(str(model), SETTINGS | {"batch_size": 4}, ("cpu", "cpu"), workers=2)
    detector = load_on_devices(settings, Ignored(), pytest.fail)
    yield detector
    detector.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images, one of which is broken."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(40):
        image(folder / f"{number:02}.png", number)
    broken(folder / "13.png")
    return folder


@pytest.fixture
def started() -> Iterator[Started]:
    """The processes that the test has started, oldest first; none is left at its end."""
    before = device_processes()

    def new() -> list[psutil.Process]:
        return [process for process in device_processes() if process not in before]

    yield new
    assert new() == []


def results(detector: Detector, *sources: str | Path, pixels: bool = False) -> Kept:
    sink = Kept(needs_pixels=pixels)
    source = make_source([str(source) for source in sources], SourceSettings())
    stats = run_detector(source, detector, [sink], workers=2)
    assert stats.images + stats.failed == len(sink.results)
    return sink


def files_below(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("[!.]*.*")}


def test_results_come_in_input_order_from_both_processes(two: MultiDeviceDetector, one: Detector, folder: Path) -> None:
    several, alone = results(two, folder), results(one, folder)
    assert [frame.origin for frame, _ in several.results] == [frame.origin for frame, _ in alone.results]
    for (_, found), (_, wanted) in zip(several.results, alone.results, strict=True):
        if isinstance(wanted, FailedFrame):
            assert found == wanted
            continue
        assert isinstance(found, Detections)
        assert np.allclose(found.boxes_xyxy, wanted.boxes_xyxy, atol=1e-3)
        assert found.labels == one.labels
    assert several.complete
    counts = dict(two.shares)
    assert list(counts) == ["process 1 of cpu:2", "process 2 of cpu:2"]
    assert sum(counts.values()) == 40
    assert all(counts.values())


def test_pixels_come_back_only_where_a_sink_needs_them(two: MultiDeviceDetector, one: Detector, folder: Path) -> None:
    several, alone = results(two, folder, pixels=True), results(one, folder, pixels=True)
    for (frame, _), (wanted, _) in zip(several.results, alone.results, strict=True):
        if isinstance(wanted, Frame):
            assert isinstance(frame, Frame)
            assert frame.pixels is not None
            assert wanted.pixels is not None
            assert np.array_equal(frame.pixels, wanted.pixels)
            assert frame.metadata == wanted.metadata
    assert all(frame.pixels is None for frame, _ in results(two, folder).results if isinstance(frame, Frame))


def test_images_that_only_this_process_can_read_are_read_here(two: MultiDeviceDetector, one: Detector) -> None:
    readers = set()

    class Drawn:
        """An item of a class that no other process can import."""

        def __init__(self, index: int) -> None:
            self.origin = Origin(index, f"{index}", f"{index}", f"{index}")

        def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
            readers.add(threading.get_ident())
            if self.origin.index == 3:
                return FailedFrame(self.origin, "truncated", "half of it is missing")
            pixels = np.full((48, 64, 3), 9 * self.origin.index, np.uint8)
            return Frame(self.origin, (48, 64), pixels)

    sinks = []
    for detector in (two, one):
        sinks.append(Kept(needs_pixels=True))
        run_detector(Items([Drawn(index) for index in range(10)]), detector, [sinks[-1]])
    assert [frame.origin.index for frame, _ in sinks[0].results] == list(range(10))
    assert isinstance(sinks[0].results[3][1], FailedFrame)
    assert [len(found) for _, found in sinks[0].results if isinstance(found, Detections)] == [2] * 9
    assert readers


def test_listing_runs_ahead_by_a_limit_and_its_error_comes_last(two: MultiDeviceDetector, folder: Path) -> None:
    """The images before the error are processed; far fewer than all are listed while nothing is written."""
    listed = list(make_source([str(folder)], SourceSettings()))
    many = [replace(item, origin=replace(item.origin, index=index)) for index, item in enumerate(listed * 10)]  # type: ignore[type-var]
    source = Items(many)
    most = []

    class Slow(Kept):
        def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
            most.append(source.listed - len(self.results))
            super().write(frame, detections)

    sink = Slow()
    stats = run_pipeline(source, two, [sink], PipelineSettings(workers=1))
    assert (stats.images, stats.failed) == (390, 10)
    assert [frame.origin.index for frame, _ in sink.results] == list(range(400))
    assert max(most) < 150

    def cut() -> Iterator[SourceItem]:
        yield from listed[:6]
        raise UsageError("the list is cut")

    sink, broken_list = Slow(), Items([])
    broken_list.__class__ = type("Cut", (Items,), {"__iter__": lambda self: cut()})
    with pytest.raises(UsageError, match="the list is cut"):
        run_pipeline(broken_list, two, [sink])
    assert len(sink.results) == 6


def test_every_output_is_that_of_one_process_byte_for_byte(
    started: Started,
    model: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    torch.set_num_threads(2)  # the last bits depend on it, and processes that share a CPU would have one each
    observers = []
    for device in ("cpu", "cpu:2"):
        name = device.replace(":", "-")
        outputs = tuple(f"{name}/out.{suffix}" for suffix in ("jsonl", "coco.json", "csv"))
        base = image_request(
            model, str(folder), outputs=(*outputs, f"{name}/labels"), save_images=f"{name}/drawn", save_crops=f"{name}/c",
            header=True, batch_size=4,
        )  # fmt: skip
        observers.append(RecordingObserver())
        compute = replace(base.compute, device=device, deterministic=True)
        limited = replace(base.input, limit=18)
        stats = run(replace(base, compute=compute, input=limited), observer=observers[-1])
        assert (stats.images, stats.failed, stats.exit_code) == (17, 1, 3)
    written, wanted = files_below("cpu-2"), files_below("cpu")
    assert written.keys() == wanted.keys()
    assert len(wanted) > 50
    assert [name for name in wanted if wanted[name].replace(b"cpu/", b"cpu-2/") != written[name]] == []
    assert observers[0].names == observers[1].names
    assert [found.device for found in observers[1].of("loaded")] == ["cpu:2"]


def test_a_deterministic_shard_is_that_of_one_process(
    started: Started, model: Path, folder: Path, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"model": model, "threshold": 0.01, "deterministic": True, "batch_size": 4, "shard": "2/3"}
    for name, device in (("one", "cpu"), ("two", "cpu:2")):
        stats = detect(folder, device=device, outputs=tmp_path / f"{name}.jsonl", **how)
        assert stats.images + stats.failed == 13
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_masks_are_those_of_one_process_byte_for_byte(
    started: Started, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    panoptic = write_panoptic_model(tmp_path / "panoptic")
    how: dict[str, Any] = {"model": panoptic, "threshold": 0.05, "deterministic": True, "limit": 10}
    for name, device in (("one", "cpu"), ("two", ["cpu:2"])):
        segment(folder, device=device, outputs=f"{name}.jsonl", save_masks=f"{name}/maps", **how)
    assert Path("one.jsonl").read_bytes() == Path("two.jsonl").read_bytes()
    assert b'"segmentation"' in Path("one.jsonl").read_bytes()
    assert files_below("one") == files_below("two")


def test_images_of_a_lost_process_are_processed_by_the_others(
    started: Started, model: Path, folder: Path, tmp_path: Path
) -> None:
    """One process is killed while each of them waits for an image."""
    with held_images() as server:
        names = [str(folder / f"{number:02}.png") for number in range(10)] + [
            f"{server.url}/held{i}.png" for i in (1, 2)
        ]
        listed = tmp_path / "list.txt"
        listed.write_text("".join(f"{name}\n" for name in [*names[10:], *names[:10]]))
        request = image_request(model, outputs=(str(tmp_path / "out.jsonl"),))
        request = replace(
            request,
            input=replace(request.input, sources=(), files_from=str(listed)),
            compute=replace(request.compute, device="cpu:2"),
        )

        class Killing(RecordingObserver):
            def on_start(self, start: Any) -> None:
                super().on_start(start)
                threading.Thread(target=kill, daemon=True).start()

            def on_warning(self, message: str) -> None:
                super().on_warning(message)
                server.release.set()

        def kill() -> None:
            server.await_requests(2)
            started()[0].kill()

        observer = Killing()
        stats = run(request, observer=observer)
    assert (stats.images, stats.failed) == (12, 0)
    (warning,) = observer.of("warning")
    assert warning.startswith("process ")
    assert (
        " of cpu:2 was lost: it was killed by SIGKILL, perhaps for lack of memory; the others process its image"
        in warning
    )
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 12


def test_a_run_without_processes_ends_with_a_device_error(
    started: Started, model: Path, folder: Path, tmp_path: Path
) -> None:
    with held_images() as server:
        request = image_request(
            model, str(folder / "00.png"), f"{server.url}/held.png", outputs=(str(tmp_path / "o.json"),)
        )

        class Killing(RecordingObserver):
            def on_start(self, start: Any) -> None:
                threading.Thread(target=kill, daemon=True).start()

            def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
                is_written.set()

        is_written = threading.Event()

        def kill() -> None:
            server.await_requests(1)
            assert is_written.wait(60)
            for process in started():
                process.kill()

        with pytest.raises(
            DeviceError, match=r"all processes of the devices were lost, .*SIGKILL.*; the next image was"
        ) as told:
            run(replace(request, compute=replace(request.compute, device="cpu:2")), observer=Killing())
    assert told.value.exit_code == 9
    written = json.loads((tmp_path / "o.json").read_text())
    assert (len(written["images"]), written["info"]["complete"]) == (1, False)
    assert (tmp_path / "o.json.journal").exists()


def test_an_error_of_the_model_is_told_once_before_the_start(started: Started, model: Path, images: Path) -> None:
    observer = RecordingObserver()
    request = image_request(model, outputs=("out.jsonl",))
    wrong = replace(
        request,
        detection=replace(request.detection, classes=("unicorn",)),
        compute=replace(request.compute, device="cpu:2"),
    )
    with pytest.raises(UnknownClassError, match="the model has no class 'unicorn'"):
        run(wrong, observer=observer)
    assert "start" not in observer.names
    assert not Path("out.jsonl").exists()


@pytest.mark.skipif(os.name != "posix", reason="SIGSTOP as POSIX has it")
def test_a_process_that_hangs_is_ended_with_a_message_in_its_pipe(started: Started) -> None:
    worker = Worker(WorkerSettings("cpu", "a process"), SimpleQueue())
    os.kill(worker.pid, signal.SIGSTOP)
    sending = threading.Thread(target=worker.send, args=(np.zeros(1 << 24, np.uint8),))
    sending.start()
    worker.end()
    assert worker.wait() == "it was killed by SIGKILL, perhaps for lack of memory"
    sending.join(30)
    assert not sending.is_alive()


def test_a_stop_and_a_limit_of_failures_end_all_processes(
    started: Started, model: Path, folder: Path, tmp_path: Path
) -> None:
    request = image_request(model, str(folder), outputs=(str(tmp_path / "out.jsonl"),))
    request = replace(request, compute=replace(request.compute, device="cpu:2"))
    stop = StopSignal()
    processes: list[Any] = []

    class Stopping(RecordingObserver):
        def on_start(self, start: Any) -> None:
            processes.extend(started())

        def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
            super().on_result(frame, detections)
            stop.set("SIGTERM")

    observer = Stopping()
    stats = run(request, observer=observer, stop=stop)
    assert (stats.interrupted, stats.exit_code) == ("SIGTERM", 143)
    assert len(observer.of("result")) == len((tmp_path / "out.jsonl").read_text().splitlines())
    assert len(processes) == 2
    assert_gone(processes)
    again = replace(request, output=replace(request.output, if_exists="overwrite"), failures=FailurePolicy(strict=True))
    with pytest.raises(TooManyFailuresError):
        run(again)
