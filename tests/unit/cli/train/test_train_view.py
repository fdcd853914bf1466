"""What a run of training says: on a terminal, in a file, and when it is over."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.cells import cell_len

from detcli.cli.framework import progress
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import ProgressText, bar_line
from detcli.cli.train.train_summary import summarize_training
from detcli.cli.train.train_view import TrainView
from detcli.training.training_events import (
    CheckpointSaved,
    EpochEnded,
    Evaluated,
    Event,
    TrainingNote,
    TrainingStarted,
    TrainingStep,
    Validated,
    ValidationLossStarted,
    ValidationStarted,
)
from detcli.training.training_job import TrainingResult

START = TrainingStarted(
    epochs=3, steps_per_epoch=40, epoch=0, step=0, images=1280, val_images=100, batch=32, parameters=10_309_605,
    trained=10_309_000, device="cuda:0", precision="bf16", processes=1,
)  # fmt: skip
FIGURES = {"AP": 0.9123, "AP50": 0.98, "AP75": 0.95}


def step(epoch: int, number: int, *, memory: int = 1_300_000_000) -> TrainingStep:
    return TrainingStep(epoch, number, {"loss_vfl": 1.0, "loss_bbox": 11.5}, 2e-4, 30.0, 12.34, memory)


def said(monkeypatch: pytest.MonkeyPatch, *events: Event, json_lines: bool = False, verbose: bool = False) -> list[str]:
    """The lines on a standard error that is no terminal."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    console = Console()
    console.log_format, console.verbose = "json" if json_lines else "text", verbose
    with TrainView(console) as view:
        for event in events:
            view(event)
    return stream.getvalue().splitlines()


def test_the_start_says_what_runs_where(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, START) == ["detcli: cuda:0 in bf16: training 3 epochs, 40 steps each, 32 images per step"]


def test_a_resumed_run_says_where_it_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    (line,) = said(monkeypatch, replace(START, epoch=1, step=12, processes=4))
    assert line.startswith("detcli: cuda:0 in bf16, 4 processes: continuing at step 13 of epoch 2 of 3 epochs")


def test_a_complete_run_has_no_steps_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    assert said(monkeypatch, replace(START, epoch=3)) == ["detcli: the run is complete: no steps left"]


def test_each_epoch_is_one_line_that_knows_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = {"loss_vfl": 1.0, "loss_bbox": 2.5}
    lines = said(
        monkeypatch,
        START,
        ValidationStarted(0, 100),
        Validated(),
        Evaluated(0, FIGURES, best=True),
        EpochEnded(0, losses, FIGURES),
        Evaluated(1, FIGURES, best=False),
        EpochEnded(1, losses, FIGURES),
        EpochEnded(2, losses, None),
    )
    assert lines[1:] == [
        "detcli: epoch 1 of 3: loss 3.5, AP 0.912, AP50 0.980, the best so far",
        "detcli: epoch 2 of 3: loss 3.5, AP 0.912, AP50 0.980",
        "detcli: epoch 3 of 3: loss 3.5",
    ]


def test_the_validation_loss_is_said_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = EpochEnded(0, {"loss_vfl": 3.5}, FIGURES, {"loss_vfl": 1.25, "loss_bbox": 3})
    assert said(monkeypatch, ended)[0].startswith("detcli: epoch 1: loss 3.5, validation loss 4.25, AP 0.912")
    assert json.loads(said(monkeypatch, ended, json_lines=True)[0])["val_loss"] == 4.25


def test_a_metric_without_a_value_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics: Mapping[str, float | None] = {"AP": 0.5, "AP50": None}
    assert said(monkeypatch, EpochEnded(0, {}, metrics))[0].endswith("epoch 1: loss 0, AP 0.500")


def test_json_lines_have_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = said(
        monkeypatch, START, Evaluated(0, FIGURES, best=True), EpochEnded(0, {"loss": 3.5}, FIGURES), json_lines=True
    )
    assert json.loads(lines[0])["steps_per_epoch"] == 40
    epoch = json.loads(lines[1])
    assert (epoch["epoch"], epoch["loss"], epoch["AP"], epoch["best"]) == (0, 3.5, 0.9123, True)


def test_saves_are_for_those_who_want_more_and_notes_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    events = (CheckpointSaved(1, 11), TrainingNote("the best weights again"))
    assert said(monkeypatch, *events) == ["detcli: the best weights again"]
    assert said(monkeypatch, *events, verbose=True)[0] == "detcli: saved after 11 steps of epoch 2"


def test_the_moving_line_says_where_it_is_and_how_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    view = TrainView(Console())
    assert "preparing" in bar_line(view.progress_text(), 80, encoding="utf-8", color=False)
    view(START)
    assert "epoch 1/3" in bar_line(view.progress_text(), 80, encoding="utf-8", color=False)
    view(step(1, 19))
    wide = bar_line(view.progress_text(), 140, encoding="utf-8", color=False)
    assert wide.startswith("epoch 2/3  step 20/40")
    for word in ("50%", "loss 12.5", "lr 0.0002", "1.3 GB", "12.3 images/s", " left"):
        assert word in wide
    view(ValidationStarted(1, 100))
    for _ in range(25):
        view(Validated())
    assert bar_line(view.progress_text(), 80, encoding="utf-8", color=False).startswith("evaluating 25/100 images")
    view(ValidationLossStarted(1, 100))
    assert bar_line(view.progress_text(), 80, encoding="utf-8", color=False).startswith("validation loss 0/100 images")


def test_without_a_terminal_the_same_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    view = TrainView(Console())
    assert view._plain()[0] == "preparing"
    view(START)
    view(step(0, 0, memory=0))
    sentence, numbers = view._plain()
    assert sentence.startswith("epoch 1 of 3, step 1 of 40, loss 12.5, lr 0.0002, 12.3 images/s, ")
    assert sentence.endswith(" left")
    assert (numbers["epoch"], numbers["loss"], numbers["memory_bytes"]) == (0, 12.5, None)
    view(ValidationStarted(0, 100))
    assert view._plain()[0] == "evaluating: 0 of 100 images"


@pytest.mark.parametrize("width", [20, 40, 79, 120])
def test_facts_give_way_on_a_narrow_screen(width: int) -> None:
    words = ProgressText(
        "epoch 12/132  step 240/1,312", 0.5, "12.3 images/s", 7000, facts="loss 12.5  lr 0.0002  1.3 GB"
    )
    line = bar_line(words, width, encoding="utf-8", color=False)
    assert cell_len(line) <= width
    assert ("loss" in line) == (width > 75)


def test_messages_come_out_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(progress, "_FRAME_S", 0.001)
    monkeypatch.setattr("sys.stderr", Terminal())
    console = Console()
    before = console.above
    with TrainView(console) as view:
        view(START)
        assert console.above != before
        view(step(0, 3))
    assert console.above == before


def result(**changes: object) -> TrainingResult:
    values: dict[str, object] = {
        "run": Path("runs/a run"), "epochs": 3, "steps": 120, "best": 0.9123, "best_epoch": 2, "metrics": FIGURES,
    }  # fmt: skip
    return TrainingResult(**(values | changes))  # type: ignore[arg-type]


def closing(monkeypatch: pytest.MonkeyPatch, whole: TrainingResult) -> list[str]:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    summarize_training(Console(), whole, seconds=12.0)
    return stream.getvalue().splitlines()


def test_the_end_says_how_good_it_is_and_what_to_do_next(monkeypatch: pytest.MonkeyPatch) -> None:
    assert closing(monkeypatch, result()) == [
        "3 epochs in 12 s, AP 0.912 (best, epoch 3) -> runs/a run/best",
        "detcli: next: detcli detect images/ -m 'runs/a run/best'",
    ]


def test_without_a_validation_set_there_is_no_best_model(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = closing(monkeypatch, result(best=None, best_epoch=None, metrics=None))
    assert lines[0] == "3 epochs in 12 s -> runs/a run/last"


def test_an_interrupted_run_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = closing(monkeypatch, result(best=None, best_epoch=None, epochs=0, interrupted="SIGTERM"))
    assert lines == [
        "0 epochs in 12 s -> runs/a run; interrupted by SIGTERM, resume with the same command and --resume"
    ]


def test_unreadable_images_are_counted_and_make_the_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert summarize_training(Console(), result(), seconds=12.0) == 0
    assert summarize_training(Console(), result(interrupted="SIGINT"), seconds=12.0) == 130
    whole = result(failed_files={"a.jpg": "truncated"})
    assert summarize_training(Console(), whole, seconds=12.0) == 3
    assert "AP 0.912 (best, epoch 3), 1 image failed -> " in closing(monkeypatch, whole)[0]
