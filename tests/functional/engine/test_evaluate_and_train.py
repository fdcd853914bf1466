"""Evaluation and training from Python, without a terminal."""

import json
from pathlib import Path

import pytest

from detcli.datasets.dataset import DatasetSummary
from detcli.engine.evaluate import EvaluationObserver, EvaluationRequest, evaluate
from detcli.engine.requests.run_settings import ComputeSettings, ModelSettings
from detcli.engine.train import TrainingObserver, TrainingPlan, TrainingRequest, prepare_training, train
from detcli.errors import UsageError
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal

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


def test_training_needs_an_output_and_skips_an_existing_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing `output`"):
        train(TrainingRequest(data="shapes:0:4", model=SHAPES))
    (tmp_path / "file").write_text("mine")
    request = TrainingRequest(data="shapes:0:4", model=SHAPES, output=tmp_path, if_exists="skip")
    assert train(request) is None
