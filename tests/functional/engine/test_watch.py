"""Runs that watch folders: results at once, a clean stop, and a resumed run that does nothing twice."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import detcli as package
from detcli.engine.inputs.preview import preview
from detcli.engine.requests.run_request import ImageInputSettings, ImageRequest, ModelSettings, OutputSettings
from detcli.engine.run import RunStats, run
from detcli.errors import InputError, UsageError
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.io.results.formats import FORMATS
from detcli.structures.frame import Frame
from detcli.structures.stop_signal import StopSignal
from tests.helpers.engine_runs import RecordingObserver, image_request
from tests.helpers.folder_watches import DEADLINE_S, put, wait_until
from tests.helpers.stored_results import suffix_of

OUT = Path("out.jsonl")


@pytest.fixture(scope="module")
def detector(model: Path) -> Detector:
    return load_detector(str(model), device="cpu", threshold=0.01, max_detections=2, batch_size=4)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put("in/a.png")


def watch_request(detector: Detector, *outputs: str, sources: tuple[str, ...] = ("in",), **given: Any) -> ImageRequest:
    own = {name: given.pop(name) for name in ("limit", "new_only", "files_from", "shard") if name in given}
    return ImageRequest(
        input=ImageInputSettings(sources=sources, watch=True, **own),
        model=ModelSettings(model=detector),
        compute=replace(image_request(Path("m")).compute, batch_size=None),
        output=OutputSettings(outputs=outputs or (str(OUT),), **given),
    )


class WatchRun:
    """A run in a thread."""

    def __init__(self, request: ImageRequest) -> None:
        self.stop, self.observer = StopSignal(), RecordingObserver()
        self.stats: RunStats | None = None
        self._thread = threading.Thread(target=self._run, args=(request,))
        self._thread.start()

    def _run(self, request: ImageRequest) -> None:
        self.stats = run(request, observer=self.observer, stop=self.stop)

    def end(self, signal: str | None = "SIGTERM") -> RunStats:
        if signal is not None:
            self.stop.set(signal)
        self._thread.join(DEADLINE_S)
        assert self.stats is not None
        return self.stats


@contextmanager
def watched(request: ImageRequest) -> Iterator[WatchRun]:
    """A run, which is stopped at the end of the block."""
    started = WatchRun(request)
    try:
        yield started
    finally:
        started.stop.set("SIGINT")
        started._thread.join(DEADLINE_S)


def files(path: Path = OUT) -> list[str]:
    return [json.loads(line)["file"] for line in path.read_text().splitlines()] if path.exists() else []


def test_each_result_is_in_the_output_before_the_next_image(detector: Detector) -> None:
    outputs = (str(OUT), "out.csv", "labels")
    with watched(watch_request(detector, *outputs, save_images=Path("drawn"))) as started:
        for number, name in enumerate(("in/a.png", "in/b.png", "in/sub/c.png")):
            put(name, number)
            wait_until(lambda count=number + 1: len(files()) == count)  # type: ignore[misc]
        stats = started.end()
    assert files() == ["in/a.png", "in/b.png", "in/sub/c.png"]
    assert (stats.images, stats.interrupted, stats.exit_code) == (3, "SIGTERM", 143)
    assert len(Path("out.csv").read_text().splitlines()) == 1 + 2 * 3
    assert sorted(path.name for path in Path("drawn").rglob("*.png")) == ["a.png", "b.png", "c.png"]
    assert sorted(path.name for path in Path("labels").rglob("?.txt")) == ["a.txt", "b.txt", "c.txt"]
    assert Path("out.jsonl.journal").exists()


def test_a_resumed_run_does_what_is_new_and_nothing_twice(detector: Detector) -> None:
    put("in/b.png", 1)
    with watched(watch_request(detector)) as started:
        wait_until(lambda: len(files()) == 2)
        started.end()
    before = OUT.read_bytes()
    Path("in/b.png").unlink()
    put("in/c.png", 2)
    with watched(watch_request(detector, resume=True)) as started:
        wait_until(lambda: len(files()) == 3)
        put("in/d.png", 3)
        wait_until(lambda: len(files()) == 4)
        stats = started.end("SIGINT")
    assert (stats.resumed, stats.images, stats.exit_code) == (2, 4, 130)
    assert OUT.read_bytes().startswith(before)
    assert files() == ["in/a.png", "in/b.png", "in/c.png", "in/d.png"]
    assert [json.loads(line)["index"] for line in OUT.read_text().splitlines()] == [0, 1, 2, 3]


def test_a_run_to_the_limit_is_complete(detector: Detector) -> None:
    put("in/b.png", 1)
    with watched(watch_request(detector, limit=2)) as started:
        stats = started.end(None)
    assert (stats.images, stats.exit_code) == (2, 0)
    assert not Path("out.jsonl.journal").exists()


def test_a_run_without_watching_does_not_resume_a_watch(detector: Detector) -> None:
    with watched(watch_request(detector)) as started:
        wait_until(lambda: len(files()) == 1)
        started.end()
    request = watch_request(detector, resume=True)
    with pytest.raises(UsageError, match="watch was true and is null"):
        run(replace(request, input=replace(request.input, watch=False)))


def test_formats_that_need_an_end_are_refused(detector: Detector) -> None:
    for name in ("coco", "coco-results", "parquet", "label-studio"):
        with pytest.raises(
            UsageError, match=f"the format {name} .* is written at the end of a run, and `watch` has none"
        ):
            run(watch_request(detector, f"out{suffix_of(name)}", format=name))
        assert FORMATS[name].needs_end
    with pytest.raises(UsageError, match="`no_scores` writes a dataset at the end"):
        run(watch_request(detector, "labels", no_scores=True))
    with pytest.raises(UsageError, match="`select` decides at the end of a run"):
        run(watch_request(detector, select="random:2"))
    assert not list(Path().glob("out*"))


def test_what_cannot_be_combined_with_watching_is_refused(detector: Detector) -> None:
    for given in ({"shard": "1/2"}, {"files_from": "list.txt"}):
        with pytest.raises(UsageError, match=f"`watch` cannot be combined with `{next(iter(given))}`"):
            watch_request(detector, **given)
    with pytest.raises(UsageError, match="`new_only` needs `watch`"):
        ImageInputSettings(sources=("in",), new_only=True)
    for sources, message in ((("in/a.png",), "takes folders"), (("in", "-"), "takes folders")):
        with pytest.raises(UsageError, match=message):
            run(watch_request(detector, sources=sources))
    with pytest.raises(InputError, match="cannot watch 'nowhere': there is no such folder"):
        run(watch_request(detector, sources=("nowhere",)))
    request = watch_request(detector)
    with pytest.raises(UsageError, match="`deterministic` waits until a batch is full"):
        run(replace(request, compute=replace(request.compute, deterministic=True, batch_size=4)))
    assert not OUT.exists()


def test_a_missing_package_is_named(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.engine.inputs.open_watched.is_installed", lambda name: name != "watchfiles")
    for start in (lambda: run(watch_request(detector)), lambda: package.open_source("in", watch=True)):
        with pytest.raises(UsageError, match="needs watchfiles, which is not installed: pip install watchfiles"):
            start()


def test_a_dry_run_lists_what_is_there(detector: Detector) -> None:
    with preview(watch_request(detector)) as planned:
        assert planned is not None
        assert list(planned.files()) == ["in/a.png"]


def test_a_folder_that_is_lost_is_a_warning(detector: Detector) -> None:
    Path("gone").mkdir()
    with watched(watch_request(detector, sources=("in", "gone"))) as started:
        wait_until(lambda: len(files()) == 1)
        Path("gone").rmdir()
        wait_until(lambda: bool(started.observer.of("warning")))
        put("in/b.png", 1)
        wait_until(lambda: len(files()) == 2)
        assert "the folder 'gone' is missing" in started.observer.of("warning")[0]


def test_python_iterates_over_images_as_they_arrive() -> None:
    found = []
    with package.open_source("in", watch=True) as frames:
        assert frames.count() is None
        for frame in frames:
            assert isinstance(frame, Frame)
            found.append(frame.origin.file)
            if len(found) == 3:
                frames.close()
            else:
                put(f"in/{len(found)}.png", len(found))
    assert found == ["in/a.png", "in/1.png", "in/2.png"]


def test_python_watches_as_the_command_does(detector: Detector) -> None:
    put("in/b.png", 1)
    stats = package.detect("in", model=detector, outputs="out.jsonl", watch=True, limit=2)
    assert stats.images == 2
    assert package.detect("in", model=detector, watch=True, new_only=True, limit=1, stop=_set()).images == 0


def _set() -> StopSignal:
    stop = StopSignal()
    stop.set("SIGINT")
    return stop
