"""Metrics become images where the libraries are there, and a sentence where they are not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.training.logs.curve_plot import best_line, curves_figure, draw_curves
from detcli.training.training_events import Event, TrainingNote
from detcli.training.training_loop import train
from tests.helpers.figures import drawn_texts, layout_problems
from tests.helpers.processes import environment
from tests.helpers.training_jobs import job, quick_recipe


def line(step: int, kind: str = "epoch", **more: object) -> dict[str, object]:
    return {"kind": kind, "epoch": step, "step": step, "lr": 1e-4, "loss": 3.0, "losses": {"loss_vfl": 3.0}, **more}


@pytest.mark.parametrize(
    "lines",
    [
        [line(1)],
        [line(1, "steps"), line(2, metrics={"AP": 0.1, "AP50": None})],
        [line(i, "steps") for i in range(5)],
    ],
)
def test_whatever_there_is_is_drawn(tmp_path: Path, lines: list[dict[str, object]]) -> None:
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    draw_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def epochs(count: int, *, best: int) -> list[dict[str, object]]:
    """A run of ten steps per epoch with its highest AP in one epoch."""
    lines: list[dict[str, object]] = []
    for epoch in range(count):
        lines.append(line(10 * epoch + 5, "steps") | {"epoch": epoch})
        ap = 0.5 - 0.01 * abs(epoch - best)
        losses = {"loss_vfl": 3.0 / (epoch + 1), "loss_bbox": 0.2, "loss_vfl_aux_0": 1.0}
        more = {"epoch": epoch, "losses": losses, "val_loss": 4.0, "val_losses": losses, "metrics": {"AP": ap}}
        lines.append(line(10 * epoch + 10) | more)
    return lines


@pytest.mark.parametrize("count", [1, 3, 80])
def test_the_best_epoch_is_marked_and_nothing_is_cut(count: int) -> None:
    figure = curves_figure(epochs(count, best=count // 2))
    assert layout_problems(figure) == []
    texts = " | ".join(text.get_text() for text in drawn_texts(figure))
    assert f"best, epoch {count // 2 + 1}\nAP 0.500" in texts
    total, metrics, terms, rate = figure.axes
    assert {axes.get_xlabel() for axes in figure.axes} == {"epoch"}
    assert [each.get_label() for each in total.lines][:3] == ["training, some steps", "training, epochs", "validation"]
    assert metrics.lines[-1].get_xdata()[0] == count // 2 + 1
    assert "vfl, validation" in texts
    assert "aux" not in texts
    assert rate.get_ylabel() == "learning rate"
    assert terms.get_yscale() == "log"


def test_the_best_epoch_is_the_later_one_of_equals() -> None:
    lines = [line(10, metrics={"AP": 0.3}), line(20, metrics={"AP": 0.3}), line(30, metrics={"AP": None}), line(40)]
    assert best_line(lines) == lines[1]
    assert best_line(lines[3:]) is None


def test_before_the_first_epoch_the_axis_has_steps() -> None:
    assert {axes.get_xlabel() for axes in curves_figure([line(5, "steps")]).axes} == {"step"}


def test_without_a_line_there_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    draw_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_without_matplotlib_the_run_continues_with_one_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line(1)) + "\n")
    with pytest.raises(UsageError, match=r"pip install matplotlib scipy"):
        draw_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    events: list[Event] = []
    train(job(tmp_path / "run", quick_recipe(epochs=1), val=None), observer=events.append)
    notes = [event.sentence for event in events if isinstance(event, TrainingNote)]
    assert len([note for note in notes if "no curves.png" in note and "pip install matplotlib scipy" in note]) == 1


FULL = """
import json, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from detcli.errors import OutputError
from detcli.training.logs.experiment_logs import ExperimentLogs
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.run_folder import RunFolder

for limit in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    notes = []
    try:
        folder = RunFolder(Path(sys.argv[1]) / str(limit))
        logs = ExperimentLogs(["tensorboard"], folder, Recipe(), steps=0, notify=notes.append)
    except OutputError as error:
        notes.append(error)
    else:
        for step in range(20):
            logs.add({"kind": "epoch", "step": step, "lr": 0.1, "loss": 3.0, "losses": {"loss_vfl": 3.0}})
        logs.close("finished")
        logs.close("finished")
    print(json.dumps([str(note) for note in notes]))
"""

TRAINING = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from detcli.errors import OutputError
from detcli.training.training_loop import train
from tests.helpers.training_jobs import job, quick_recipe

asked = job(Path(sys.argv[1]) / "run", quick_recipe(epochs=1), val=None)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    train(asked)
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_on_a_full_disk_events_end_with_one_note(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    limits = [0, 10, 60, 100, 500, 1000, 1 << 20]
    command = [sys.executable, "-c", FULL, str(tmp_path), *map(str, limits)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment())
    assert run.stderr == ""
    told = [json.loads(line) for line in run.stdout.splitlines()]
    assert [len(notes) for notes in told] == [1] * 6 + [0]
    assert all("larger than" in note or "too large" in note for notes in told for note in notes)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("limit", [0, 300, 20_000])
def test_training_on_a_full_disk_is_one_error(tmp_path: Path, limit: int) -> None:
    command = [sys.executable, "-W", "ignore", "-c", TRAINING, str(tmp_path), str(limit)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment())
    assert run.stdout.startswith("cannot write")
    assert run.stderr == ""
    assert not list(tmp_path.rglob("*.part"))


def test_tensorboard_has_each_point_once_after_a_resume(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from dataclasses import replace

    from detcli.structures.stop_signal import StopSignal
    from detcli.training.training_events import TrainingStep

    stop = StopSignal()
    asked = job(tmp_path / "run", quick_recipe(log_every_steps=1), val=None)
    train(
        asked,
        observer=lambda event: stop.set() if isinstance(event, TrainingStep) and event.epoch == 1 else None,
        stop=stop,
    )
    train(replace(asked, resume=True))
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("steps/loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in events.Scalars("epoch/loss")] == [2, 4, 6]
