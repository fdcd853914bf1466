"""detcli.train and detcli.evaluate: the commands as functions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli
from tests.helpers.cli_fixtures import Run, _no_user_settings
from tests.helpers.cli_fixtures import detcli as run_detcli

__all__ = ["_no_user_settings", "run_detcli"]

TINY = {"epochs": 1, "batch_size": 4, "image_size": 64, "precision": "fp32", "device": "cpu", "workers": 1}
CHANGES = {"multi_scale_repeat": 0, "warmup_steps": 1, "mosaic": 0.0}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_trained_and_usable(folder: Path) -> None:
    result = detcli.train("shapes:0:8", val="shapes:1:4", model="shapes", output="run", changes=CHANGES, **TINY)
    assert isinstance(result, detcli.TrainingResult)
    assert (result.epochs, result.interrupted) == (1, None)
    assert detcli.load_detector(folder / "run" / "best").labels.names == detcli.load_detector("shapes").labels.names
    with pytest.raises(detcli.OutputError, match="run"):
        detcli.train("shapes:0:8", model="shapes", output="run", **TINY)
    assert detcli.train("shapes:0:8", model="shapes", output="run", if_exists="skip", **TINY) is None


def test_events_go_to_an_observer_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    class Events(detcli.TrainingObserver):
        def __init__(self) -> None:
            self.plans: list[Any] = []
            self.events: list[Any] = []

        def on_training_plan(self, plan: Any) -> None:
            self.plans.append(plan)

        def on_training_event(self, event: Any) -> None:
            self.events.append(event)

    events = Events()
    detcli.train("shapes:0:4", model="shapes", output="run", observer=events, changes=CHANGES, **TINY)
    assert len(events.plans) == 1
    assert events.events
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"data": None}, TypeError, "`data` must be a str or a path, or a list of them, not NoneType"),
        ({"output": None}, ValueError, "missing `output`: the folder of the run"),
        ({"output": 3}, TypeError, "`output` must be a path, not int"),
        ({"model": None}, TypeError, "`model` must be a name, a path or a detector, not NoneType"),
        ({"epochs": "ten"}, ValueError, "epochs"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"lr": "high"}, ValueError, "lr"),
        ({"image_size": 65.5}, TypeError, r"`image_size` must be an int or a pair \(height, width\), not float"),
        ({"precision": "int8"}, ValueError, "precision"),
        ({"changes": ["clip"]}, TypeError, "`changes` must be a dict of recipe fields and values, or None, not list"),
        ({"changes": {"clipp": 1}}, ValueError, "clipp"),
        ({"scratch": 1}, TypeError, "`scratch` must be True or False, not int"),
        ({"if_exists": "ask"}, ValueError, "`if_exists` must be one of error, overwrite, skip, not 'ask'"),
        ({"device": "gpu"}, ValueError, "`device` must be auto, cpu, cuda, cuda:N or mps, not 'gpu'"),
        ({"data": "missing"}, detcli.DataError, "'missing' does not exist"),
        ({"resume": True}, ValueError, "run"),
    ],
)
def test_wrong_arguments_of_train_are_refused(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    complete: dict[str, Any] = {"data": "shapes:0:4", "model": "shapes", "output": "run"}
    with pytest.raises(kind, match=message):
        detcli.train(**complete | arguments)
    assert not Path("run").exists()


def test_a_model_is_evaluated_as_by_the_command(run_detcli: Callable[..., Run]) -> None:
    result = detcli.evaluate(model="shapes", data="shapes:1:6", device="cpu", batch_size=1, output="python.json")
    run_detcli("eval", "-m", "shapes", "--data", "shapes:1:6", "--device", "cpu", "-b", "1", "-o", "command.json")
    assert result is not None
    assert result.to_dict()["metrics"] == result.metrics
    assert repr(result).startswith("EvaluationResult(AP 0.")
    assert (
        Path("python.json").read_bytes().partition(b'"created"')[0]
        == (Path("command.json").read_bytes().partition(b'"created"')[0])
    )


def test_a_loaded_detector_is_evaluated_with_all_scores() -> None:
    by_name = detcli.evaluate(model="shapes", data="shapes:1:4", device="cpu", batch_size=1)
    detector = detcli.load_detector("shapes", device="cpu", batch_size=1)
    by_detector = detcli.evaluate(model=detector, data="shapes:1:4")
    assert by_name is not None
    assert by_detector is not None
    assert by_detector.metrics == by_name.metrics


@pytest.mark.parametrize("threshold", [None, 0.55])
def test_mistakes_count_at_the_threshold_of_a_loaded_detector(threshold: float | None) -> None:
    detector = detcli.load_detector("shapes", device="cpu", batch_size=1, threshold=threshold)
    result = detcli.evaluate(model=detector, data="shapes:1:4")
    assert result is not None
    assert result.to_dict()["confusion"]["score"] == detector.threshold


def test_stored_results_are_evaluated_against_ground_truth(run_detcli: Callable[..., Run]) -> None:
    demo = Path("demo")
    assert run_detcli("demo", "-o", demo).code == 0
    [annotations] = [path for path in demo.rglob("*.json") if path.name != "detections.json"]
    result = detcli.evaluate(demo / "detections.json", ground_truth=annotations)
    assert result is not None
    assert (result.metrics["AP"] or 0) > 0.5


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({}, ValueError, "nothing to evaluate: give `results` with `ground_truth`, or `model` with `data`"),
        ({"results": "r.json"}, ValueError, "missing `ground_truth`: ground-truth annotations for 'r.json'"),
        ({"results": 3}, TypeError, "`results` must be a path, not int"),
        ({"model": 3, "data": "shapes:1:2"}, TypeError, "`model` must be a name, a path or a detector, not int"),
        ({"data": "shapes:1:2", "ground_truth": "a.json"}, ValueError, "`ground_truth` is for stored results"),
        ({"data": "shapes:1:2", "threshold": 2}, ValueError, "`threshold` must be a number from 0 to 1, not 2"),
        ({"data": "shapes:1:2", "score": "high"}, TypeError, "`score` must be a number from 0 to 1, not str"),
        ({"data": "shapes:1:2", "worst": 0}, ValueError, "`worst` must be at least 1, not 0"),
        ({"data": "shapes:1:2", "iou_type": "box"}, ValueError, "`iou_type` must be one of bbox, segm, panoptic"),
        ({"data": "shapes:1:2", "output": "out.txt"}, ValueError, r"'out\.txt' must end in \.json"),
        ({"data": "missing", "model": "shapes"}, detcli.DataError, "'missing' does not exist"),
        ({"results": "missing.jsonl", "ground_truth": "gt.json"}, detcli.NoDataError, "missing.jsonl"),
        ({"results": "r.json", "ground_truth": "missing.json"}, detcli.DetcliError, r"r\.json"),
    ],
)
def test_wrong_arguments_of_evaluate_are_refused(
    arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        detcli.evaluate(**arguments)


def test_the_default_model_is_loaded_as_the_arguments_say(folder: Path) -> None:
    with pytest.raises(detcli.NotCachedError, match="'dfine-s' is not downloaded"):
        detcli.evaluate(data="shapes:1:2", offline=True, cache_dir=folder / "cache")


@pytest.mark.parametrize("observer", [3, print, detcli.Observer(), detcli.EvaluationObserver])
def test_the_observer_of_an_evaluation_is_checked(observer: Any) -> None:
    with pytest.raises(TypeError, match=r"`observer` must be an instance of detcli\.EvaluationObserver"):
        detcli.evaluate(model="shapes", data="shapes:1:2", observer=observer)


def test_the_first_batches_are_shown_without_training(folder: Path) -> None:
    arguments = {"model": "shapes", "changes": CHANGES, **TINY}
    preview = detcli.show_batch("shapes:0:8", save="batch.png", show_images=6, **arguments)
    assert isinstance(preview, detcli.BatchPreview)
    assert [image.pixels.shape for image in preview.images] == [(64, 64, 3)] * 6
    assert [entry.name for entry in folder.iterdir()] == ["batch.png"]
    assert detcli.show_batch("shapes:0:8", save="batch.png", if_exists="skip", **arguments) is None
    again = detcli.show_batch("shapes:0:8", show_images=6, **arguments)
    assert again is not None
    assert (again.grid() == preview.grid()).all()


def test_a_learning_rate_is_found(folder: Path) -> None:
    arguments = {"model": "shapes", "changes": CHANGES, **TINY}
    search = detcli.find_lr("shapes:0:8", save="lr.png", **arguments)
    assert isinstance(search, detcli.RateSearch)
    assert len(search.rates) == len(search.losses) > 2
    assert search.suggested == pytest.approx(0.1 * search.rates[search.lowest], rel=0.05)
    assert [entry.name for entry in folder.iterdir()] == ["lr.png"]
    assert Path("lr.png").read_bytes().startswith(b"\x89PNG")
    assert detcli.find_lr("shapes:0:8", save="lr.png", if_exists="skip", **arguments) is None
    assert detcli.find_lr("shapes:0:8", **arguments) == search


def test_a_stopped_search_for_a_learning_rate_has_no_result(folder: Path) -> None:
    stop = detcli.StopSignal()
    stop.set()
    arguments = {"model": "shapes", "changes": CHANGES, **TINY}
    for save in ("lr.png", None):
        assert detcli.find_lr("shapes:0:8", save=save, stop=stop, **arguments) is None
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"save": "lr.jpg"}, ValueError, "`save` is 'lr.jpg', and its plot is a PNG"),
        ({"lr": 0.0}, ValueError, "a learning rate cannot be searched for a recipe with lr = 0"),
        ({"output": "run", "resume": True}, ValueError, "a learning rate is searched for a new run"),
        ({"epoch": 1}, TypeError, "epoch"),
        ({"stop": 3}, TypeError, "`stop` must be"),
    ],
)
def test_a_learning_rate_that_cannot_be_found_is_refused(arguments: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        detcli.find_lr("shapes:0:8", **{"model": "shapes", "changes": CHANGES, **TINY, **arguments})


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"save": "batch.txt"}, ValueError, "`save` is 'batch.txt'; it must be an image file"),
        ({"show_images": 0}, ValueError, "`show_images` must be"),
        ({"show_epoch": 2}, ValueError, "`show_epoch` is 2, and the recipe has 1 epochs"),
        ({"show_epoch": "1"}, TypeError, "`show_epoch` must be an int"),
        ({"epoch": 1}, TypeError, "epoch"),
    ],
)
def test_batches_that_cannot_be_shown_are_refused(arguments: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        detcli.show_batch("shapes:0:8", **{"model": "shapes", "changes": CHANGES, **TINY, **arguments})
