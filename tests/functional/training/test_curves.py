"""Metrics become images where the libraries are there, and a sentence where they are not."""

import json
import sys
from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.training.curves import draw_curves
from detcli.training.training_events import Event, TrainingNote
from detcli.training.training_loop import train
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


def test_without_a_line_there_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    draw_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_without_matplotlib_the_run_continues_with_one_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line(1)) + "\n")
    with pytest.raises(UsageError, match=r"pip install matplotlib scipy"):
        draw_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    events: list[Event] = []
    train(job(tmp_path / "run", quick_recipe(epochs=1), val=None), observer=events.append)
    notes = [event.sentence for event in events if isinstance(event, TrainingNote)]
    assert len([note for note in notes if "no curves.png" in note and "pip install matplotlib scipy" in note]) == 1


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
