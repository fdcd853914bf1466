"""Runs are logged once, also when they are killed, resumed, or their logger fails."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detcli.structures.stop_signal import StopSignal
from detcli.training.logs.logger import LOGGERS
from detcli.training.training_events import Event, TrainingNote, TrainingStep
from detcli.training.training_loop import train
from tests.helpers.experiments import MemoryLogger, wandb_history, wandb_records
from tests.helpers.processes import environment
from tests.helpers.training_jobs import job, quick_recipe

JOBS = Path(__file__).parents[3] / "helpers" / "training_jobs.py"
METRICS = ["AP", "AP50", "AP75"]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[MemoryLogger]]:
    monkeypatch.setitem(LOGGERS._entries, "memory", MemoryLogger)
    MemoryLogger.calls.clear()
    MemoryLogger.fails_at = None
    yield MemoryLogger
    MemoryLogger.fails_at = None


def notes(events: list[Event]) -> list[str]:
    return [event.sentence for event in events if isinstance(event, TrainingNote)]


def steps_of(kind: str, tag: str) -> list[int]:
    return [call[0] for name, call in MemoryLogger.calls if name == kind and tag in call[1]]


def test_a_logger_gets_values_images_and_the_result(tmp_path: Path, memory: type[MemoryLogger]) -> None:
    events: list[Event] = []
    result = train(job(tmp_path / "run", log_to=("memory",)), observer=events.append)
    assert memory.calls[0] == ("open", None)
    assert memory.calls[-1] == ("close", "finished")
    assert steps_of("values", "steps/loss") == [2, 4, 6]
    assert steps_of("values", "epoch/lr") == [2, 4, 6]
    assert steps_of("values", "metrics/AP") == steps_of("values", "val/loss") == [2, 4, 6]
    assert steps_of("images", "validation/4") == [2, 4, 6]
    values = next(values for kind, (_, values) in memory.calls[1:-1] if kind == "values" and "metrics/AP" in values)
    assert {name for name in values if name.startswith("class_ap/")} == {
        f"class_ap/{c}" for c in ("red", "green", "blue")
    }
    pixels = next(call[1]["validation/1"] for kind, call in memory.calls if kind == "images")
    assert (pixels.dtype, pixels.shape) == (np.uint8, (64, 132, 3))
    assert ("summary", (6, {"best/AP": result.best, "best/epoch": result.best_epoch + 1})) in memory.calls
    assert "Memory: memory:id-1" in notes(events)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert not any("class" in name for line in lines for name in line)


def test_a_stopped_run_continues_its_experiment(tmp_path: Path, memory: type[MemoryLogger]) -> None:
    stop = StopSignal()
    asked = job(tmp_path / "run", log_to=("memory",))
    train(asked, observer=lambda e: stop.set() if isinstance(e, TrainingStep) and e.epoch == 1 else None, stop=stop)
    assert memory.calls[-1] == ("close", "stopped")
    train(replace(asked, resume=True))
    assert [call for call in memory.calls if call[0] in ("open", "close")] == [
        ("open", None),
        ("close", "stopped"),
        ("open", "id-1"),
        ("close", "finished"),
    ]
    calls = len(memory.calls)
    train(replace(asked, resume=True))  # complete: nothing is left to log
    assert memory.calls[calls:] == [("open", "id-1"), ("close", "finished")]
    for kind, tag in (("values", "steps/loss"), ("values", "epoch/loss"), ("images", "validation/1")):
        assert steps_of(kind, tag) == [2, 4, 6]


def test_a_new_run_in_the_folder_is_a_new_experiment(tmp_path: Path, memory: type[MemoryLogger]) -> None:
    asked = job(tmp_path / "run", quick_recipe(epochs=1), val=None, log_to=("memory",))
    train(asked)
    train(replace(asked, if_exists="overwrite"))
    assert [call for call in memory.calls if call[0] == "open"] == [("open", None)] * 2
    assert steps_of("values", "epoch/loss") == [2, 2]


@pytest.mark.parametrize("fails_at", ["open", 3])
def test_a_logger_that_fails_is_told_once(tmp_path: Path, memory: type[MemoryLogger], fails_at: int | str) -> None:
    memory.fails_at = fails_at
    events: list[Event] = []
    result = train(job(tmp_path / "run", log_to=("memory",)), observer=events.append)
    assert result.epochs == 3
    told = [note for note in notes(events) if "cannot log to Memory" in note]
    assert len(told) == 1
    assert ("no route to host" if fails_at == "open" else "connection lost") in told[0]
    assert "\n" not in told[0]
    assert memory.calls[-1] == ("close", "failed" if fails_at == "open" else "finished")


def test_a_logger_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, memory: type[MemoryLogger], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr("detcli.training.logs.logger_queues._OPEN_S", 0.01)
    monkeypatch.setattr(memory, "open", lambda self, experiment: answer.wait())
    events: list[Event] = []
    result = train(job(tmp_path / "run", log_to=("memory",)), observer=events.append)
    answer.set()
    assert result.epochs == 3
    assert [note for note in notes(events) if "Memory" in note] == [
        "cannot log to Memory: no answer for 0.01 s; the run starts, and its logs wait",
        "nothing of this run was logged to Memory, which did not answer in time",
    ]


def test_the_weights_do_not_depend_on_loggers(tmp_path: Path, memory: type[MemoryLogger]) -> None:
    for name, log_to in (("logged", ("memory", "tensorboard")), ("plain", ("none",))):
        train(job(tmp_path / name, quick_recipe(epochs=1), log_to=log_to))
    files = ["metrics.jsonl", "last/model.safetensors", "best/model.safetensors", "state.safetensors"]
    for file in files:
        assert (tmp_path / "logged" / file).read_bytes() == (tmp_path / "plain" / file).read_bytes()
    assert not (tmp_path / "plain" / "tensorboard").exists()
    assert not (tmp_path / "plain" / "experiments.json").exists()


def killed_and_resumed(run: Path, log_to: str, **variables: str) -> None:
    """Train in processes: one that is killed in the last epoch, after it logged steps that it did not save, and one that resumes."""
    recipe = {"log_every_steps": 1, "save_every_s": 1e9}
    for more, code in (({"kill_at": 6}, -signal.SIGKILL), ({"resume": True}, 0)):
        asked = json.dumps({"recipe": recipe, "log_to": [log_to], **more})
        done = subprocess.run(
            [sys.executable, str(JOBS), str(run), asked],
            cwd=run.parent,
            env={**environment(), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == code, done.stderr
        assert done.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_tensorboard_has_each_point_once_after_a_kill(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    killed_and_resumed(tmp_path / "run", "tensorboard")
    events = reader.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("steps/loss")] == [1, 2, 3, 4, 5, 6]
    for tag in ("epoch/loss", "val/loss", "metrics/AP"):
        assert [event.step for event in events.Scalars(tag)] == [2, 4, 6]
    assert [event.step for event in events.Images("validation/1")] == [2, 4, 6]
    assert events.Images("validation/1")[0].encoded_image_string.startswith(b"\xff\xd8")
    assert [event.step for event in events.Scalars("best/AP")] == [6]
    text = events.Tensors("recipe")[0].tensor_proto.string_val[0].decode()
    assert "| image_size | [64, 64] |" in text


def test_wandb_has_each_point_once_after_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    pytest.importorskip("wandb")
    stop = StopSignal()
    asked = job(tmp_path / "run", quick_recipe(log_every_steps=1), log_to=("wandb",))
    train(asked, observer=lambda e: stop.set() if isinstance(e, TrainingStep) and e.epoch == 1 else None, stop=stop)
    train(replace(asked, resume=True))
    folder = tmp_path / "run" / "wandb"
    rows = wandb_history(folder)
    for tag, steps in (("steps/loss", [1, 2, 3, 4, 5, 6]), ("epoch/loss", [2, 4, 6]), ("metrics/AP", [2, 4, 6])):
        assert [row["_step"] for row in rows if tag in row] == steps
    assert [row["_step"] for row in rows if any(name.startswith("validation/1") for name in row)] == [2, 4, 6]
    runs = [record.run for record in wandb_records(folder) if record.HasField("run")]
    assert len({run.run_id for run in runs}) == 1
    assert {run.display_name for run in runs} == {"run"}
    config = {item.key: json.loads(item.value_json) for item in runs[0].config.update}
    assert config["image_size"] == [64, 64]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_mlflow_has_each_point_once_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow")
    store = f"sqlite:///{tmp_path}/mlflow.db"
    killed_and_resumed(tmp_path / "run", "mlflow", MLFLOW_TRACKING_URI=store)
    client = mlflow.MlflowClient(tracking_uri=store)
    (run,) = client.search_runs([client.get_experiment_by_name("detcli").experiment_id])
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    assert run.data.params["image_size"] == "[64, 64]"
    steps = {tag: [m.step for m in client.get_metric_history(run.info.run_id, tag)] for tag in run.data.metrics}
    assert steps["steps/loss"] == [1, 2, 3, 4, 5, 6]
    assert steps["epoch/loss"] == steps["val/loss"] == steps["metrics/AP"] == [2, 4, 6]
    assert steps["best/AP"] == [6]
    images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    assert len([path for path in images if path.endswith(".png")]) == 12


def test_clearml_takes_everything_offline(tmp_path: Path) -> None:
    pytest.importorskip("clearml")
    asked = json.dumps({"recipe": {"log_every_steps": 1}, "log_to": ["clearml"]})
    variables = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(JOBS), str(tmp_path / "run"), asked],
        env={**os.environ, **environment(), **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout == ""
    (metrics,) = (tmp_path / "cache").rglob("metrics.jsonl")
    text = metrics.read_text()
    assert all(f'"{name}"' in text for name in METRICS)
