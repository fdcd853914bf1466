"""A run over images from Python, without a terminal."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detcli.engine.inputs.preview import preview
from detcli.engine.observer import Observer
from detcli.engine.requests.run_request import DetectionSettings, ImageRequest, ModelSettings, OutputSettings
from detcli.engine.run import run
from detcli.errors import InputError, OutputError, TooManyFailuresError, UsageError
from detcli.inference.load import load_detector
from detcli.structures.frame import FailedFrame
from detcli.structures.stop_signal import StopSignal
from tests.helpers.cli_runs import Run, broken
from tests.helpers.engine_runs import RecordingObserver, StopAfter, image_request
from tests.helpers.hub_server import HubServer

OUT = Path("out.jsonl")


def records(path: Path = OUT) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_writes_what_the_command_writes(
    model: Path, images: Path, detcli: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    request = image_request(model, outputs=("api.coco.json", "api.csv"), save_images="api")
    stats = run(request)
    options = ("-m", model, "-t", "0.01", "--max-det", "2", "-b", "1", "-j", "2")
    assert detcli("detect", "in", *options, "-o", "c.coco.json", "-o", "c.csv", "--save-images", "c").code == 0
    for suffix in (".coco.json", ".csv"):
        assert Path(f"api{suffix}").read_bytes() == Path(f"c{suffix}").read_bytes()
    for path in Path("c").rglob("*.png"):
        assert path.read_bytes() == Path("api", path.relative_to("c")).read_bytes()
    assert (stats.images, stats.failed, stats.boxes, stats.exit_code) == (5, 0, 10, 0)
    assert stats.outputs == (Path("api.coco.json"), Path("api.csv"), Path("api"))
    assert stats.seconds > 0


def test_a_run_prints_nothing(model: Path, images: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken(images / "0.png")
    run(image_request(model, outputs=("out.jsonl",)))
    assert capfd.readouterr() == ("", "")


def test_the_observer_gets_the_events_in_order(model: Path, images: Path) -> None:
    broken(images / "1.png")
    observer = RecordingObserver()
    stats = run(image_request(model, outputs=("out.jsonl",)), observer=observer)
    assert observer.names == ["plan", "load", "loaded", "start", "result", "end"]
    start = observer.of("start")[0]
    assert start.stats is stats
    assert (start.done, start.count(), start.live) == (0, 5, False)
    assert [isinstance(result, FailedFrame) for result in observer.of("result")] == [False, True, False, False, False]
    assert observer.of("loaded")[0].device == "cpu"


def test_a_run_without_outputs_gives_results_to_the_observer(model: Path, images: Path) -> None:
    observer = RecordingObserver()
    assert run(image_request(model), observer=observer).images == 5
    assert len(observer.of("result")) == 5
    assert sorted(path.name for path in Path().iterdir()) == ["in"]


def test_a_loaded_detector_can_run_several_times(model: Path, images: Path) -> None:
    detector = load_detector(str(model), device="cpu", threshold=0.01, max_detections=2)
    for name in ("a.jsonl", "b.jsonl"):
        request = replace(image_request(model, outputs=(name,)), model=ModelSettings(model=detector))
        assert run(request).boxes == 10
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes()
    assert detector.threshold == 0.01


def test_results_carry_the_settings_of_a_loaded_detector(model: Path, images: Path) -> None:
    detector = load_detector(str(model), device="cpu", threshold=0.25, max_detections=3, classes=["dog"])
    request = replace(image_request(model), model=ModelSettings(model=detector), detection=DetectionSettings())
    run(replace(request, output=OutputSettings(outputs=("out.jsonl",), header=True)))
    arguments = records()[0]["detcli"]["arguments"]
    assert (arguments["threshold"], arguments["max_det"], arguments["classes"]) == (0.25, 3, ["dog"])


def test_runs_in_threads_do_not_disturb_each_other(model: Path, images: Path) -> None:
    detector = load_detector(str(model), device="cpu", threshold=0.01, max_detections=2)
    request = replace(image_request(model), model=ModelSettings(model=detector))
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            run(replace(request, output=OutputSettings(outputs=(name,))))
        except BaseException as error:
            failures.append(error)

    names = [f"{number}.jsonl" for number in range(4)]
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({Path(name).read_bytes() for name in names}) == 1


@pytest.mark.parametrize("name", ["out.jsonl", "out.coco.json"])
def test_a_stopped_run_resumes_to_the_same_bytes(
    model: Path, images: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    run(image_request(model, outputs=(f"complete-{name}",)))
    stop = StopSignal()
    request = image_request(model, outputs=(name,))
    first = run(request, observer=StopAfter(2, stop), stop=stop)
    assert (first.interrupted, first.exit_code) == ("SIGTERM", 143)
    assert 2 <= first.images < 5
    observer = RecordingObserver()
    resumed = run(image_request(model, outputs=(name,), resume=True), observer=observer)
    assert (resumed.resumed, resumed.images) == (first.images, 5)
    assert observer.of("start")[0].done == first.images
    assert len(observer.of("result")) == 5 - first.images
    assert Path(name).read_bytes() == Path(f"complete-{name}").read_bytes()
    assert not Path(f"{name}.journal").exists()


def test_a_resumed_run_refuses_another_input(model: Path, images: Path) -> None:
    stop = StopSignal()
    run(image_request(model, outputs=("out.jsonl",)), observer=StopAfter(2, stop), stop=stop)
    (images / "0.png").rename(images / "00.png")
    observer = RecordingObserver()
    with pytest.raises(UsageError, match=r"image 1 of the interrupted run was 'in/0.png' and is 'in/00.png' now"):
        run(image_request(model, outputs=("out.jsonl",), resume=True), observer=observer)
    assert observer.names[-1] == "end"
    assert Path("out.jsonl.journal").exists()


class BrokenObserver(Observer):
    """Raises at one event."""

    def __init__(self, event: str) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError(f"the observer failed in {event}")

        setattr(self, event, fail)


EVENTS = ["on_plan", "on_model_load", "on_model_loaded", "on_start", "on_result", "on_end"]


@pytest.mark.parametrize("event", EVENTS)
def test_an_observer_that_raises_leaves_no_torn_output(model: Path, images: Path, event: str) -> None:
    request = image_request(model, outputs=("out.coco.json", "out.jsonl"), save_images="drawn")
    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match=f"failed in {event}"):
        run(request, observer=BrokenObserver(event))
    if OUT.exists():
        records()
    if Path("out.coco.json").exists():
        json.loads(Path("out.coco.json").read_text())
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
    assert run(replace(request, output=replace(request.output, if_exists="overwrite"))).images == 5


def test_outputs_that_exist_are_an_error_or_skipped(model: Path, images: Path) -> None:
    OUT.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        run(image_request(model, outputs=("out.jsonl",)))
    observer = RecordingObserver()
    stats = run(image_request(model, outputs=("out.jsonl",), if_exists="skip"), observer=observer)
    assert (stats.skipped, stats.exit_code, stats.images) == (True, 0, 0)
    assert observer.of("skipped") == [OUT]
    assert OUT.read_text() == "mine"
    assert run(image_request(model, outputs=("out.jsonl",), if_exists="overwrite")).images == 5


def test_strict_ends_the_run_and_keeps_the_statistics(model: Path, images: Path) -> None:
    broken(images / "0.png")
    observer = RecordingObserver()
    with pytest.raises(TooManyFailuresError, match="`strict`"):
        run(image_request(model, outputs=("out.jsonl",), strict=True), observer=observer)
    assert observer.of("start")[0].stats.failed == 1
    assert records()[0]["error"]["code"] == "truncated"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"outputs": ("-",)}, "`outputs` cannot hold '-': only the command line writes to standard output"),
        ({"outputs": ("a.jsonl", "b.csv"), "format": "csv"}, "`format=csv` is for one output, and there are 2"),
        ({"outputs": ("a.jsonl", "a.jsonl")}, "two outputs would go to 'a.jsonl'"),
        ({"outputs": ("a.txt",), "format": "table"}, "`format=table` is for standard output"),
        ({"outputs": ("a.xyz",), "format": "xyz"}, "`format` must be one of"),
        ({"outputs": ("in/0.png",), "format": "jsonl"}, "'in/0.png' is input and output at once"),
        ({"resume": True}, "`resume` needs the `outputs`"),
        ({"save_images": "x", "save_crops": "x"}, "'x' cannot hold the images and the crops"),
    ],
)
def test_outputs_that_make_no_sense_are_refused_before_loading(
    model: Path, images: Path, output: dict[str, Any], message: str
) -> None:
    observer = RecordingObserver()
    with pytest.raises(UsageError) as caught:
        run(image_request(model, "in/0.png", **output), observer=observer)
    assert message in str(caught.value)
    assert "load" not in observer.names


def test_an_empty_folder_is_an_input_error(model: Path, images: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(InputError, match="there are no images in 'empty'"):
        run(image_request(model, "empty", outputs=("out.jsonl",)))
    assert not OUT.exists()


def test_settings_of_a_loaded_detector_cannot_change(model: Path, images: Path) -> None:
    detector = load_detector(str(model), device="cpu")
    request = replace(image_request(model), model=ModelSettings(model=detector))
    other = replace(request.detection, image_size=(32, 32))
    with pytest.raises(UsageError, match="`image_size` must be set when the detector is loaded"):
        run(replace(request, detection=other))


def test_a_preview_lists_files_and_writes_nothing(model: Path, images: Path) -> None:
    request: ImageRequest = image_request(model, outputs=("out.jsonl",))
    with preview(request) as planned:
        assert planned is not None
        assert list(planned.files()) == [f"in/{name}.png" for name in ("0", "1", "2", "sub/3", "sub/4")]
        assert (planned.model.repository, planned.device) == (None, "cpu")
        assert [target.format for target in planned.plan.targets] == ["jsonl"]
    assert sorted(path.name for path in Path().iterdir()) == ["in"]


def test_downloads_are_events(model: Path, images: Path, hub: HubServer) -> None:
    hub.add("someone/tiny", {path.name: path.read_bytes() for path in model.iterdir()})
    observer = RecordingObserver()
    request = image_request(Path("someone/tiny"))
    assert run(request, observer=observer).images == 5
    assert observer.names[:4] == ["plan", "load", "download", "progress"]
    assert sum(observer.of("progress")) == sum(observer.of("download"))
    assert len(observer.of("downloaded")) == len(observer.of("download"))
    assert observer.names.index("downloaded") < observer.names.index("loaded")
