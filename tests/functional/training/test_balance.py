"""Repeated rare classes, few images without boxes and weights of classes in whole runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import UsageError
from detcli.structures.stop_signal import StopSignal
from detcli.training.training_events import EpochEnded, Event, TrainingStarted
from detcli.training.training_loop import train
from tests.helpers.training_jobs import Rectangles, job, overflowing_family, quick_recipe

BALANCED: dict[str, Any] = {
    "repeat_threshold": 0.5,
    "max_empty_fraction": 0.2,
    "class_weights": "balanced",
    "images_per_epoch": 9,
    "accumulate": 2,
    "save_every_s": 0,
}
COMPARED = ("last/model.safetensors", "best/model.safetensors", "last/config.json", "metrics.jsonl")


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def data() -> Rectangles:
    """Ten images of rectangles, and as many without boxes."""
    return Rectangles(20, empty=range(10, 20))


def test_a_balanced_run_resumed_within_an_epoch_ends_in_the_same_bytes(data: Rectangles, tmp_path: Path) -> None:
    recipe = quick_recipe(epochs=2, **BALANCED)
    events: list[Event] = []
    train(job(tmp_path / "straight", recipe, data=data), observer=events.append)
    started = next(event for event in events if isinstance(event, TrainingStarted))
    assert started.steps_per_epoch == 2
    stop = StopSignal()

    def watch(event: Event) -> None:
        if isinstance(event, EpochEnded):  # one step more: the first of the second epoch
            stop.set()

    resumed = tmp_path / "resumed"
    assert train(job(resumed, recipe, data=data), observer=watch, stop=stop).steps == 3
    train(job(resumed, recipe, data=data, resume=True))
    for name in COMPARED:
        assert (resumed / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name


def test_weights_of_one_train_to_the_same_bytes_and_others_do_not(tmp_path: Path) -> None:
    made = {}
    for name, weights in (
        ("none", "none"),
        ("ones", {"red": 1}),
        ("twice", dict.fromkeys(("red", "green", "blue"), 2)),
    ):
        train(job(tmp_path / name, quick_recipe(epochs=1, images_per_epoch=4, class_weights=weights)))
        made[name] = (tmp_path / name / "last" / "model.safetensors").read_bytes()
    assert made["none"] == made["ones"] != made["twice"]
    (none,), (twice,) = (
        [line for line in lines(tmp_path / name) if line["kind"] == "epoch"] for name in ("none", "twice")
    )
    assert none["val_losses"]["loss_vfl"] < twice["val_losses"]["loss_vfl"], "validation has the losses of training"


def test_losses_without_weights_of_classes_are_an_error(tmp_path: Path) -> None:
    asked = job(tmp_path / "run", quick_recipe(class_weights="balanced"), family=overflowing_family(99))
    with pytest.raises(UsageError, match="class_weights: the losses of the family 'dfine' have no weights of classes"):
        train(asked)
    assert not (tmp_path / "run").exists()


def test_an_unknown_class_is_an_error_that_overwrites_no_run(tmp_path: Path) -> None:
    train(job(tmp_path / "run", quick_recipe(epochs=1, images_per_epoch=4), val=None))
    before = (tmp_path / "run" / "state.safetensors").read_bytes()
    with pytest.raises(UsageError, match="class_weights: the data has no class 'grean'; did you mean 'green'"):
        train(job(tmp_path / "run", quick_recipe(class_weights={"grean": 2}), if_exists="overwrite"))
    assert (tmp_path / "run" / "state.safetensors").read_bytes() == before
