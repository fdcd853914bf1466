"""detcli.detect and detcli.segment: the commands as functions."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import detcli
from tests.helpers.cli_fixtures import Run, _no_user_settings
from tests.helpers.cli_fixtures import detcli as run_detcli
from tests.helpers.shape_images import shape_images

__all__ = ["_no_user_settings", "run_detcli"]


FUNCTIONS = [
    detcli.detect,
    detcli.evaluate,
    detcli.load_detector,
    detcli.open_source,
    detcli.open_video,
    detcli.segment,
    detcli.track_video,
    detcli.train,
]


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shape_images(tmp_path / "images", count=3)
    return tmp_path / "images"


@pytest.fixture(scope="module")
def model() -> detcli.Detector:
    return detcli.load_detector("shapes", device="cpu", batch_size=1)


def test_outputs_are_the_same_bytes_as_those_of_the_command(images: Path, run_detcli: Callable[..., Run]) -> None:
    run_detcli("detect", "images", "-m", "shapes", "-b", "1", "-o", "command.jsonl", "-o", "command.csv", "-t", "0.3")
    stats = detcli.detect(
        "images", model="shapes", batch_size=1, outputs=["python.jsonl", Path("python.csv")], threshold=0.3
    )
    for suffix in (".jsonl", ".csv"):
        assert Path("python" + suffix).read_bytes() == Path("command" + suffix).read_bytes()
    assert (stats.images, stats.failed, stats.exit_code) == (3, 0, 0)
    assert stats.outputs == (Path("python.jsonl"), Path("python.csv"))
    assert repr(stats).startswith("RunStats(images=3, failed=0, boxes=")


def test_max_detections_of_a_loaded_detector_is_kept_or_changed(images: Path, model: detcli.Detector) -> None:
    few = model.with_settings(max_detections=1)
    assert detcli.detect(images, model=few).boxes == detcli.detect(images, model=model, max_detections=1).boxes <= 3
    assert detcli.detect(images, model=few, max_detections=300).boxes == detcli.detect(images, model=model).boxes > 3


@pytest.mark.parametrize(
    "arguments",
    [
        {"device": "cuda"},
        {"precision": "bf16"},
        {"pad": True},
        {"queries": 5},
        {"decoder_layers": 1},
        {"compile": True},
        {"optimize": False},
        {"revision": "main"},
        {"offline": True},
        {"cache_dir": "cache"},
    ],
)
def test_settings_fixed_by_loading_are_refused(images: Path, model: detcli.Detector, arguments: dict[str, Any]) -> None:
    with pytest.raises(detcli.UsageError, match=f"`{next(iter(arguments))}` must be set when the detector is loaded"):
        detcli.detect(images, model=model, **arguments)
    same = {"device": "cpu", "precision": "fp32"}
    assert detcli.detect(images, model=model, **same).images == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [3, "x", print, object(), detcli.Observer, 0, False])
@pytest.mark.parametrize("name", ["observer", "stop"])
def test_observer_and_stop_are_instances(images: Path, model: detcli.Detector, name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"`{name}` must be an instance of detcli"):
        detcli.detect(images, model=model, **{name: value})


def test_an_observer_with_a_length_of_0_gets_its_events(images: Path, model: detcli.Detector) -> None:
    class Results(detcli.Observer):
        def __init__(self) -> None:
            self.count = 0

        def __len__(self) -> int:
            return 0

        def on_result(self, *_: Any) -> None:
            self.count += 1

    results = Results()
    detcli.detect(images, model=model, observer=results)
    assert results.count == 3


@pytest.mark.parametrize("name", ["x", "", "SIGUSR1", 3, None])
def test_only_signals_that_end_a_run_are_set(name: Any) -> None:
    with pytest.raises(detcli.UsageError, match="`signal_name` must be one of SIGINT, SIGTERM, SIGHUP"):
        detcli.StopSignal().set(name)


def test_a_loaded_detector_is_a_model_too(images: Path, model: detcli.Detector) -> None:
    by_name = detcli.detect([images], model="shapes", batch_size=1, outputs="name.jsonl")
    by_detector = detcli.detect([images], model=model, outputs="detector.jsonl")
    assert by_detector.boxes == by_name.boxes > 0
    assert Path("name.jsonl").read_bytes() == Path("detector.jsonl").read_bytes()


def test_annotated_images_and_crops_are_saved(images: Path, model: detcli.Detector) -> None:
    stats = detcli.detect(images, model=model, save_images="annotated", save_crops=Path("crops"))
    assert sorted(path.name for path in Path("annotated").glob("*.png")) == ["0.png", "1.png", "2.png"]
    assert len([path for path in Path("crops").rglob("*.png") if path.is_file()]) == stats.boxes


def test_a_complete_run_is_resumed_without_new_work(images: Path, model: detcli.Detector) -> None:
    detcli.detect(images, model=model, outputs="out.jsonl")
    before = Path("out.jsonl").read_bytes()
    stats = detcli.detect(images, model=model, outputs="out.jsonl", resume=True, if_exists="overwrite")
    assert stats.images == 3
    assert Path("out.jsonl").read_bytes() == before


def test_existing_outputs_are_an_error_or_skipped(images: Path, model: detcli.Detector) -> None:
    detcli.detect(images, model=model, outputs="out.jsonl")
    with pytest.raises(detcli.OutputError, match=r"out\.jsonl"):
        detcli.detect(images, model=model, outputs="out.jsonl")
    assert detcli.detect(images, model=model, outputs="out.jsonl", if_exists="skip").skipped


def test_failed_images_are_counted_and_raise_with_strict(images: Path, model: detcli.Detector) -> None:
    (images / "3.png").write_bytes(b"")
    assert detcli.detect(images, model=model).failed == 1
    with pytest.raises(detcli.TooManyFailuresError, match="`strict`"):
        detcli.detect(images, model=model, strict=True)


def test_an_observer_gets_the_results(images: Path, model: detcli.Detector) -> None:
    class Names(detcli.Observer):
        def __init__(self) -> None:
            self.names: list[str] = []

        def on_result(self, frame: Any, detections: Any) -> None:
            self.names.append(frame.origin.file)

    names = Names()
    detcli.detect(images, model=model, observer=names)
    assert [Path(name).name for name in names.names] == ["0.png", "1.png", "2.png"]


def test_nothing_is_printed(images: Path, model: detcli.Detector, capfd: pytest.CaptureFixture[str]) -> None:
    (images / "3.png").write_bytes(b"")
    detcli.detect(images, model=model, outputs="out.csv")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": None}, "`sources` must be a str or a path, or a list of them, not NoneType"),
        ({"sources": b"images"}, "`sources` must be a str or a path, or a list of them, not bytes"),
        ({"sources": ["images", 3]}, "each item of `sources` must be a str or a path, not int"),
        ({"sources": [np.zeros((4, 4, 3), np.uint8)]}, "each item of `sources` must be a str or a path, not ndarray"),
        ({"sources": Image.new("RGB", (4, 4))}, "`sources` must be a str or a path, or a list of them, not Image"),
        ({"model": None}, "`model` must be a name, a path or a detector, not NoneType"),
        ({"threshold": "high"}, "`threshold` must be a number from 0 to 1, not str"),
        ({"classes": "circle"}, "`classes` must be a list of class names or indices, not str"),
        ({"outputs": None}, "`outputs` must be a str or a path, or a list of them, not NoneType"),
        ({"save_images": 3}, "`save_images` must be a path, not int"),
        ({"resume": 1}, "`resume` must be True or False, not int"),
        ({"limit": 1.5}, "`limit` must be an integer, not float"),
        ({"line_width": "2"}, "`line_width` must be an integer, not str"),
        ({"thresold": 0.5}, "unexpected keyword argument 'thresold'"),
    ],
)
def test_wrong_types_are_a_type_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        detcli.detect(**{"sources": "images", "model": "shapes"} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": []}, "nothing to process: `sources` must name"),
        ({"threshold": 1.5}, "`threshold` must be a number from 0 to 1, not 1.5"),
        ({"max_detections": 0}, "`max_detections` must be at least 1, not 0"),
        ({"outputs": "-"}, "only the command line writes to standard output"),
        ({"outputs": "out.xyz"}, "out.xyz"),
        ({"format": "xyz", "outputs": "out.csv"}, "`format` must be one of jsonl"),
        ({"if_exists": "ask"}, "`if_exists` must be one of error, overwrite, skip, not 'ask'"),
        ({"resume": True}, "`resume` needs the `outputs`"),
        ({"workers": 0}, "`workers` must be at least 1, not 0"),
        ({"device": "gpu"}, "`device` must be auto, cpu, cuda, cuda:N or mps, not 'gpu'"),
        ({"classes": ["persn"]}, "the model has no class 'persn'"),
        ({"classes": []}, None),
    ],
)
def test_wrong_values_are_a_value_error(images: Path, arguments: dict[str, Any], message: str | None) -> None:
    complete = {"sources": "images", "model": "shapes"} | arguments
    if message is None:
        assert detcli.detect(**complete).images == 3
        return
    with pytest.raises(ValueError, match=message) as caught:
        detcli.detect(**complete)
    assert isinstance(caught.value, detcli.UsageError)


def test_settings_that_are_fixed_by_loading_are_refused_for_a_detector(images: Path, model: detcli.Detector) -> None:
    with pytest.raises(detcli.UsageError, match="`image_size` must be set when the detector is loaded"):
        detcli.detect(images, model=model, image_size=640)


def test_segment_needs_a_model_that_segments(images: Path) -> None:
    with pytest.raises(detcli.UnsupportedModelError, match="'shapes' detects boxes, not masks"):
        detcli.segment(images, model="shapes")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "masks"}, "`task` must be one of panoptic, instance, semantic, not 'masks'"),
        ({"rule": "other"}, "`rule` must be one of original, transformers, not 'other'"),
        ({"mask_threshold": 1.5}, "`mask_threshold` must be a number from 0 to 1, not 1.5"),
        ({"overlap_threshold": -1}, "`overlap_threshold` must be a number from 0 to 1, not -1"),
    ],
)
def test_wrong_values_of_segment_are_a_usage_error(images: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(detcli.UsageError, match=message):
        detcli.segment(images, **arguments)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_argument_is_documented(function: Callable[..., Any]) -> None:
    documented = {line.split()[0] for line in (inspect.getdoc(function) or "").splitlines() if "  " in line.strip()}
    assert set(inspect.signature(function).parameters) <= documented
