"""Runs that end before their last epoch: without a higher AP, or at a time limit; both can be resumed."""

import json
from pathlib import Path

import pytest

from detcli.training.training_events import TrainingStep
from detcli.training.training_job import TrainingResult
from detcli.training.training_loop import train
from tests.helpers.training_jobs import job, quick_recipe

STILL = {"lr": 0.0, "backbone_lr": 0.0, "ema_decay": 0.0, "stop_augmentation_epoch": 0, "weight_decay": 0.0}
FILES = ("best/model.safetensors", "last/model.safetensors", "metrics.jsonl", "state.safetensors")


def epochs_of(run: Path) -> list[int]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_bytes().splitlines()]
    return [line["epoch"] for line in lines if line["kind"] == "epoch"]


def ended(folder: Path, **fields: object) -> TrainingResult:
    recipe = quick_recipe(**{"epochs": 9, "stop_augmentation_epoch": 0, **fields})
    return train(job(folder, recipe, count=4, fresh=False))


def test_a_run_ends_when_the_ap_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aps = iter([0.1, 0.3, 0.2, 0.3, 0.25, 0.4])
    given_aps(monkeypatch, aps)
    result = ended(tmp_path / "run", patience=3)
    assert (result.early_end, result.epochs) == ("patience", 5)
    assert (result.best, result.best_epoch) == (
        0.3,
        3,
    )  # of equals the later one; the AP rose in the second for the last time
    assert epochs_of(tmp_path / "run") == [0, 1, 2, 3, 4]


def test_an_ap_of_zero_is_no_reason_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_aps(monkeypatch, iter([0.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0]))
    result = ended(tmp_path / "run", patience=2)
    assert (result.early_end, result.epochs, result.best_epoch) == ("patience", 7, 4)


def test_patience_counts_epochs_and_ends_after_a_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_aps(monkeypatch, iter([0.5, 0.4, 0.3, 0.2]))
    result = ended(tmp_path / "run", patience=3, evaluate_every_epochs=2)
    assert (result.epochs, result.best_epoch) == (6, 1)


def test_a_run_that_rises_to_the_end_has_no_early_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_aps(monkeypatch, iter([0.1, 0.2, 0.3]))
    assert ended(tmp_path / "run", epochs=3, patience=1).early_end is None


def test_an_ended_run_stays_ended_when_it_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_aps(monkeypatch, iter([0.3, 0.2, 0.1]))
    run = tmp_path / "run"
    recipe = quick_recipe(epochs=9, stop_augmentation_epoch=0, patience=2)
    train(job(run, recipe, count=4))
    before = {name: (run / name).read_bytes() for name in FILES}
    steps: list[object] = []
    result = train(job(run, recipe, count=4, resume=True), observer=steps.append)
    assert (result.early_end, result.epochs) == ("patience", 3)
    assert not any(isinstance(event, TrainingStep) for event in steps)
    assert {name: (run / name).read_bytes() for name in FILES} == before


def test_a_time_limit_saves_and_the_resumed_run_is_the_same(tmp_path: Path) -> None:
    recipe = quick_recipe(epochs=2)
    straight = train(job(tmp_path / "straight", recipe))
    first = train(job(tmp_path / "limited", recipe, max_hours=1e-9))
    assert (first.early_end, first.interrupted, first.epochs, first.steps) == ("max_hours", None, 0, 1)
    ends = [first.early_end]
    while ends[-1] is not None and len(ends) < 9:  # each with one step, or with the end of an epoch
        ends.append(train(job(tmp_path / "limited", recipe, resume=True, max_hours=1e-9)).early_end)
    assert ends == ["max_hours"] * 5 + [None]
    assert straight.early_end is None
    for name in FILES:
        assert (tmp_path / "limited" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name


def test_a_run_within_its_time_limit_does_not_end_early(tmp_path: Path) -> None:
    result = train(job(tmp_path / "run", quick_recipe(epochs=2), max_hours=10.0))
    assert (result.early_end, result.epochs) == (None, 2)


def given_aps(monkeypatch: pytest.MonkeyPatch, aps: object) -> None:
    """Let validations return these APs in order."""
    from dataclasses import replace

    from detcli.training import training_loop

    real = training_loop.validate

    def validate(*arguments: object, **more: object) -> object:
        found = real(*arguments, **more)  # type: ignore[arg-type]
        assert found is not None
        return replace(found, metrics={**found.metrics, "AP": next(aps)})  # type: ignore[call-overload]

    monkeypatch.setattr(training_loop, "validate", validate)
