"""Evaluation and training from Python, without a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from detcli.datasets.dataset import DatasetSummary
from detcli.engine.evaluate import EvaluationObserver, EvaluationRequest, evaluate
from detcli.engine.requests.run_settings import ComputeSettings, ModelSettings
from detcli.engine.training.train import TrainingObserver, TrainingPlan, TrainingRequest, prepare_training, train
from detcli.errors import UsageError
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal
from tests.helpers.train_command_fixtures import dataset

SHAPES = ModelSettings(model="shapes")


class Events(EvaluationObserver, TrainingObserver):
    """Keeps the names of the events."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_evaluation_start(self, images: int) -> None:
        self.names.append(f"start {images}")

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self.names.append("result")

    def on_end(self) -> None:
        self.names.append("end")

    def on_dataset(self, part: str, report: DatasetSummary) -> None:
        self.names.append(f"{part} {report.images}")

    def on_training_plan(self, plan: TrainingPlan) -> None:
        self.names.append("plan")


def test_a_model_is_evaluated_and_the_report_is_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events = Events()
    request = EvaluationRequest(
        data="shapes:1:3", model=SHAPES, compute=ComputeSettings(device="cpu"), output=tmp_path / "report.json"
    )
    result = evaluate(request, observer=events)
    assert result is not None
    assert result.outputs == (tmp_path / "report.json",)
    assert json.loads((tmp_path / "report.json").read_text())["metrics"] == result.metrics
    assert (result.metrics["AP"] or 0) > 0.3
    assert repr(result).startswith("EvaluationResult(AP 0.")
    assert events.names == ["data 3", "start 3", "result", "result", "result", "end"]
    assert capfd.readouterr().out == ""


def test_an_invalid_source_date_epoch_ends_an_evaluation_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764460800000")
    events = Events()
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH must be a number of seconds"):
        evaluate(EvaluationRequest(data="shapes:1:3", model=SHAPES), observer=events)
    assert events.names == []


def test_a_stop_before_the_last_image_gives_no_result(tmp_path: Path) -> None:
    stop = StopSignal()
    stop.set()
    request = EvaluationRequest(
        data="shapes:1:3", model=SHAPES, compute=ComputeSettings(device="cpu"), output=tmp_path / "report.json"
    )
    assert evaluate(request, stop=stop) is None
    assert not (tmp_path / "report.json").exists()


def test_a_training_plan_is_made_without_a_run_folder() -> None:
    events = Events()
    request = TrainingRequest(data="shapes:0:8", model=SHAPES, changes={"epochs": 2, "batch": 4}, device="cpu")
    plan = prepare_training(request, observer=events)
    assert plan is not None
    assert (plan.recipe.epochs, plan.steps_per_epoch, plan.has_masks) == (2, 2, False)
    assert events.names == ["data 8", "val 8", "plan"]
    with pytest.raises(UsageError, match="missing `output`"):
        plan.run()


class Warnings(TrainingObserver):
    def __init__(self) -> None:
        self.said: list[str] = []

    def on_warning(self, message: str) -> None:
        self.said.append(message)


def warnings_of(data: str, val: str | None = None, **changes: Any) -> list[str]:
    observer = Warnings()
    request = TrainingRequest(data=data, val=val, model=SHAPES, changes=changes, device="cpu")
    assert prepare_training(request, observer=observer) is not None
    return observer.said


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"batch": 1, "image_size": [64, 64]}, "images of 32 x 32, as `image_size` 64 64 gives them"),
        ({"batch": 1, "image_size": [32, 32]}, "images of 32 x 32"),
        ({"batch": 2, "accumulate": 2, "image_size": [64, 64]}, "one image at a time"),
        ({"batch": 1, "image_size": [64, 64], "multi_scale_repeat": 0}, ""),
        ({"batch": 2, "image_size": [32, 32]}, ""),
        ({"batch": 1, "image_size": [128, 128]}, ""),
    ],
)
def test_one_value_for_batch_normalization_is_an_error_before_training(changes: dict[str, Any], cause: str) -> None:
    request = TrainingRequest(
        data="shapes:0:4", model=SHAPES, changes={"multi_scale_repeat": 3, **changes}, device="cpu"
    )
    if not cause:
        assert prepare_training(request) is not None
        return
    with pytest.raises(UsageError, match=cause) as caught:
        prepare_training(request)
    assert "batch normalization needs more than one value; use a larger `batch_size` or `image_size`" in str(
        caught.value
    )


def test_a_batch_that_is_larger_than_the_data_is_a_warning() -> None:
    more = "`batch_size` 8 is larger than the data (4 images): each step has images several times"
    assert more in warnings_of("shapes:0:4", batch=8)
    assert not any("`batch_size`" in said for said in warnings_of("shapes:0:4", batch=4))


def test_fewer_steps_than_the_warm_up_are_a_warning() -> None:
    [said] = [said for said in warnings_of("shapes:0:8", batch=4, epochs=10, warmup_steps=21) if "warm-up" in said]
    assert said.startswith(
        "the run has 20 steps, fewer than the warm-up of the recipe (21): the learning rate rises for 2 "
    )
    assert not any("warm-up" in said for said in warnings_of("shapes:0:8", batch=4, epochs=10, warmup_steps=20))


def test_a_crop_for_images_of_many_sizes_is_a_warning() -> None:
    sentence = "random_crop = 0.5 changes nothing: it is for images of many sizes, and this network takes images of one"
    assert any(said.startswith(sentence) for said in warnings_of("shapes:0:8", batch=4, random_crop=0.5))
    assert not any("random_crop" in said for said in warnings_of("shapes:0:8", batch=4))


@pytest.mark.parametrize(("count", "seed", "is_equal"), [(8, 0, True), (8, 1, False), (9, 0, False)])
def test_validation_by_the_training_data_is_a_warning(tmp_path: Path, count: int, seed: int, is_equal: bool) -> None:
    data, val = dataset(tmp_path / "data", 8), dataset(tmp_path / "val", count, seed=seed)
    sentence = "the validation data is the training data: metrics and the best model say nothing about other images"
    assert (sentence in warnings_of(str(data), str(val))) == is_equal
    assert sentence in warnings_of(str(data), str(data))


def test_training_needs_an_output_and_skips_an_existing_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing `output`"):
        train(TrainingRequest(data="shapes:0:4", model=SHAPES))
    (tmp_path / "file").write_text("mine")
    request = TrainingRequest(data="shapes:0:4", model=SHAPES, output=tmp_path, if_exists="skip")
    assert train(request) is None
