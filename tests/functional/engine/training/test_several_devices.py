"""Training in a process for each device: the same bytes from every run, and no process that outlives it."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from detcli.engine.requests.run_settings import ModelSettings
from detcli.engine.training.process_messages import TrainTogether
from detcli.engine.training.train import TrainingObserver, TrainingRequest, prepare_training, train
from detcli.engine.training.training_process import plan_together
from detcli.errors import DeviceError, UsageError
from detcli.structures.stop_signal import StopSignal
from detcli.training.optimization.process_place import ProcessPlace
from detcli.training.training_events import Evaluated, Event, TrainingStep, Validated
from tests.helpers.device_runs import assert_gone, device_processes
from tests.helpers.train_command_fixtures import dataset

CHANGES = {"epochs": 2, "batch": 4, "base_batch": 4, "image_size": (64, 96)}


class KillsOther(TrainingObserver):
    """Kills the other process in the second epoch."""

    def __init__(self) -> None:
        self.processes: list[psutil.Process] = []

    def on_training_event(self, event: Event) -> None:
        if isinstance(event, TrainingStep) and event.epoch == 1 and not self.processes:
            self.processes = device_processes()
            self.processes[0].kill()


class StopsOther(TrainingObserver):
    """Sends the other process SIGTERM after the first step, as a scheduler does, and counts the images that are compared."""

    def __init__(self) -> None:
        self.sent, self.compared = False, 0

    def on_image_comparison(self, images: int) -> None:
        self.compared += images

    def on_training_event(self, event: Event) -> None:
        if isinstance(event, TrainingStep) and not self.sent:
            self.sent = True
            device_processes()[0].terminate()


class StopsDuringValidation(TrainingObserver):
    """Stops this process, or sends the other one SIGTERM, after the first image of the first validation."""

    def __init__(self, *, other: bool) -> None:
        self.stop, self._other, self.validated, self.evaluated = StopSignal(), other, 0, 0

    def on_training_event(self, event: Event) -> None:
        self.evaluated += isinstance(event, Evaluated)
        if isinstance(event, Validated):
            self.validated += 1
            if self.validated == 1 and self._other:
                device_processes()[0].terminate()
            elif self.validated == 1:
                self.stop.set()


@pytest.fixture
def request_for(tmp_path: Path, tiny_checkpoint: Path) -> Any:
    """Make a request that trains a tiny model on eight images."""
    dataset(tmp_path / "data", 8)
    dataset(tmp_path / "val", 4, seed=1)

    def make(run: str, **others: Any) -> TrainingRequest:
        given: dict[str, Any] = {"device": "cpu:2", "workers": 1, "changes": CHANGES, **others}
        data = str(tmp_path / "data/truth.json")
        val = str(tmp_path / "val/truth.json")
        model = ModelSettings(model=tiny_checkpoint)
        return TrainingRequest(data=(data,), val=(val,), model=model, output=tmp_path / run, log_to=("none",), **given)

    return make


def logged(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_run_that_lost_a_process_resumes_to_the_same_bytes(request_for: Any, tmp_path: Path) -> None:
    whole = train(request_for("whole"))
    assert whole is not None
    assert (whole.epochs, whole.steps) == (2, 4)
    assert device_processes() == []
    killer = KillsOther()
    with pytest.raises(DeviceError, match="process 2 of cpu:2 was lost: it was killed by SIGKILL"):
        train(request_for("lost"), observer=killer)
    assert_gone(killer.processes)
    train(request_for("lost", resume=True))
    for name in ("best", "last"):
        model = f"{name}/model.safetensors"
        assert (tmp_path / "lost" / model).read_bytes() == (tmp_path / "whole" / model).read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_signal_to_any_process_saves_the_run_and_ends_it(request_for: Any, tmp_path: Path) -> None:
    changes = {**CHANGES, "epochs": 500, "evaluate_every_epochs": 500}
    stopped = train(request_for("run", changes=changes), observer=StopsOther())
    assert stopped is not None
    assert stopped.interrupted == "SIGTERM"
    assert 1 <= stopped.steps < 1000
    assert (tmp_path / "run" / "state.safetensors").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("other", [False, True])
def test_a_validation_of_several_processes_ends_early(request_for: Any, tmp_path: Path, other: bool) -> None:
    dataset(tmp_path / "many", 300, seed=2)
    asked = {"changes": {**CHANGES, "epochs": 1}}
    watch = StopsDuringValidation(other=other)
    request = replace(request_for("run", **asked), val=(str(tmp_path / "many/truth.json"),))
    stopped = train(request, observer=watch, stop=watch.stop)
    assert stopped is not None
    assert (stopped.interrupted, stopped.epochs, watch.evaluated) == ("SIGTERM" if other else "SIGINT", 0, 0)
    train(replace(request, resume=True))
    train(replace(request, output=tmp_path / "whole"))
    models = [(tmp_path / name / "best" / "model.safetensors").read_bytes() for name in ("run", "whole")]
    assert models[0] == models[1]


def test_each_process_has_the_recipe_of_the_first_and_compares_no_images(request_for: Any) -> None:
    watch = StopsOther()
    first = prepare_training(request_for("run", device="cpu:3", workers=None, changes={"epochs": 1}), observer=watch)
    assert first is not None
    assert first.recipe.batch % 3 == 0, "fitted to the data, and to the processes"
    assert watch.compared == 12
    job = TrainTogether(replace(first.request, device="cpu"), first.recipe, ProcessPlace(1, 3, 1, 3))
    other = plan_together(job, processors=5)
    assert other.recipe == first.recipe
    assert other.request.workers == 5
    assert plan_together(job, processors=0).request.workers is None
    alone = prepare_training(job.request, observer=watch, is_first=False)
    assert alone is not None
    assert alone.recipe.batch % 3 != 0, "what it would have chosen"
    assert watch.compared == 12


def test_two_processes_learn_what_one_learns(request_for: Any, tmp_path: Path) -> None:
    changes = {**CHANGES, "epochs": 1, "lr": 1e-6}  # rounding must not grow from step to step
    train(request_for("one", device="cpu", changes=changes))
    train(request_for("two", changes=changes))
    (one,), (two,) = logged(tmp_path / "one"), logged(tmp_path / "two")
    assert one["losses"] == pytest.approx(two["losses"], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"changes": {**CHANGES, "batch": 3}}, "`batch_size` 3 cannot be divided among 2 processes"),
        ({"auto_batch": True}, "`batch_size` 'auto' is measured on one device: with several, give a number"),
        ({"device": "cuda:0,cpu"}, "several devices must be CUDA devices"),
        ({"device": "cpu:99999"}, "processes can share the CPU of this machine"),
    ],
)
def test_devices_that_cannot_train_together_are_refused(
    request_for: Any, tmp_path: Path, others: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        train(request_for("run", **others))
    assert message in str(error.value)
    assert not (tmp_path / "run").exists()


def test_torchrun_and_several_devices_are_refused(request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun has started the processes: leave out `device` cpu:2"):
        train(request_for("run"))
