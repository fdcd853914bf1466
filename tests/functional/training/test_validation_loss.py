"""The loss on the validation images: comparable with that of training, without an effect on it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from detcli.models.dfine import DFineFamily
from detcli.structures.class_labels import ClassLabels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.stop_signal import StopSignal
from detcli.training.recipes.recipe_bounds import AUGMENTATIONS
from detcli.training.state.model_exporter import training_preprocessing
from detcli.training.training_events import (
    EpochEnded,
    Event,
    TrainingNote,
    Validated,
    ValidationLossStarted,
    ValidationStarted,
)
from detcli.training.training_job import TrainingJob
from detcli.training.training_loop import train
from detcli.training.validation_loss import LossSums, ValidationLoss, mean_losses
from tests.helpers.training_jobs import Rectangles, job, quick_recipe


def losses(given: TrainingJob, data: Any, *, batch: int = 4, indices: range | None = None) -> LossSums | None:
    preprocessing = training_preprocessing(given.preprocessor, given.family, given.recipe)
    return ValidationLoss(given, data, preprocessing, torch.device("cpu")).compute(
        given.state,
        range(len(data)) if indices is None else indices,
        batch=batch,
        workers=1,
        on_images=lambda _: None,
        stop=None,
    )


def epoch_lines(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_bytes().splitlines()]
    return [line for line in lines if line["kind"] == "epoch"]


def test_each_validated_epoch_has_the_losses_of_training(tmp_path: Path) -> None:
    events: list[Event] = []
    train(job(tmp_path / "run", quick_recipe(epochs=2, evaluate_every_epochs=2)), observer=events.append)
    first, second = epoch_lines(tmp_path / "run")
    assert "val_loss" not in first
    assert second["val_losses"].keys() == second["losses"].keys()
    assert second["val_loss"] == pytest.approx(sum(second["val_losses"].values()))
    ended = [event for event in events if isinstance(event, EpochEnded)]
    assert [event.val_losses for event in ended] == [None, second["val_losses"]]


def test_a_validation_loss_that_is_not_finite_is_left_out(tmp_path: Path) -> None:
    class NotFinite(DFineFamily):
        def criterion(self, config: Any) -> Any:
            plain = super().criterion(config)
            return lambda outputs, targets: {
                name: loss if torch.is_grad_enabled() else loss * float("inf")
                for name, loss in plain(outputs, targets).items()
            }

    events: list[Event] = []
    recipe = quick_recipe(epochs=1, stop_augmentation_epoch=0)
    result = train(job(tmp_path / "run", recipe, family=NotFinite()), observer=events.append)
    assert result.best is not None
    (line,) = epoch_lines(tmp_path / "run")
    assert (line["val_loss"], line["val_losses"]) == (None, {})
    told = [event.sentence for event in events if isinstance(event, TrainingNote)]
    assert "the validation loss of epoch 1 is NaN or infinite and is left out" in told
    assert (tmp_path / "run" / "curves.png").exists()


def test_the_weights_do_not_depend_on_the_validation(tmp_path: Path) -> None:
    recipe = quick_recipe(epochs=2, stop_augmentation_epoch=0)
    train(job(tmp_path / "with", recipe))
    train(job(tmp_path / "without", recipe, val=None))
    with_loss, without_loss = (tmp_path / name / "last/model.safetensors" for name in ("with", "without"))
    assert with_loss.read_bytes() == without_loss.read_bytes()
    for one, other in zip(epoch_lines(tmp_path / "with"), epoch_lines(tmp_path / "without"), strict=True):
        assert one["losses"] == other["losses"]


def test_better_weights_have_a_lower_validation_loss(tmp_path: Path) -> None:
    train(job(tmp_path / "run", quick_recipe(epochs=6, stop_augmentation_epoch=0, lr=2e-3), count=32, fresh=True))
    lines = epoch_lines(tmp_path / "run")
    assert lines[-1]["val_loss"] < lines[0]["val_loss"]


def test_the_loss_is_the_mean_over_batches_by_their_images(tmp_path: Path) -> None:
    given, data = job(tmp_path), Rectangles(5, seed=3)
    whole = losses(given, data, batch=2)
    parts = [losses(given, data, batch=2, indices=part) for part in (range(2), range(2, 4), range(4, 5))]
    assert whole is not None
    assert whole.images == 5
    expected = mean_losses([part for part in parts if part is not None])
    assert mean_losses([whole]) == pytest.approx(expected)
    assert losses(given, data, batch=2) == whole


def test_the_images_are_not_augmented(tmp_path: Path) -> None:
    plain, data = job(tmp_path), Rectangles(4, seed=1)
    augmented = replace(plain, recipe=replace(plain.recipe, **dict.fromkeys(AUGMENTATIONS, 1.0)))
    assert losses(augmented, data) == losses(plain, data)


def test_no_images_have_no_losses(tmp_path: Path) -> None:
    assert losses(job(tmp_path), Rectangles(3), indices=range(0)) == LossSums({}, 0)
    assert mean_losses([LossSums({}, 0)]) == {}


def test_an_image_that_cannot_be_read_is_replaced_by_the_next(tmp_path: Path) -> None:
    given = job(tmp_path)
    broken = losses(given, Rectangles(4, seed=3, broken={1}), batch=1)
    whole = [losses(given, Rectangles(4, seed=3), batch=1, indices=range(i, i + 1)) for i in (0, 2, 2, 3)]
    assert broken is not None
    assert broken.images == 4
    plain = mean_losses([broken])["loss_vfl"]
    assert plain == pytest.approx(mean_losses([part for part in whole if part is not None])["loss_vfl"], rel=1e-4)


class OtherOrder(Rectangles):
    """Rectangles whose class ids have another order, with a class that training does not have."""

    def __init__(self, count: int) -> None:
        super().__init__(count, seed=3)
        self.labels = ClassLabels(("blue", "purple", "red", "green"), (1, 2, 3, 4))

    def ground_truth(self, index: int) -> GroundTruth:
        ground_truth = super().ground_truth(index)
        return replace(ground_truth, class_ids=(ground_truth.class_ids + 2) % 4 * (ground_truth.class_ids < 2))


def test_classes_are_matched_by_name_and_others_left_out(tmp_path: Path) -> None:
    given, data = job(tmp_path), Rectangles(4, seed=3)
    assert losses(given, OtherOrder(4)) == losses(given, data)


def test_both_passes_over_the_images_are_reported(tmp_path: Path) -> None:
    events: list[Event] = []
    train(job(tmp_path / "run", quick_recipe(epochs=1)), observer=events.append)
    started = [
        index for index, event in enumerate(events) if isinstance(event, ValidationStarted | ValidationLossStarted)
    ]
    assert [type(events[index]) for index in started] == [ValidationStarted, ValidationLossStarted]
    assert sum(isinstance(event, Validated) for event in events[started[0] : started[1]]) == 4
    assert sum(isinstance(event, Validated) for event in events[started[1] :]) == 4


def test_a_stop_within_the_losses_ends_in_the_same_bytes(tmp_path: Path) -> None:
    recipe = quick_recipe(epochs=2)
    train(job(tmp_path / "straight", recipe))
    stop, counted = StopSignal(), 0

    def watch(event: Event) -> None:
        nonlocal counted
        counted += isinstance(event, ValidationLossStarted)
        if counted == 1 and isinstance(event, ValidationLossStarted):
            stop.set()

    result = train(job(tmp_path / "stopped", recipe), observer=watch, stop=stop)
    assert result.interrupted is not None
    train(job(tmp_path / "stopped", recipe, resume=True))
    for name in ("last/model.safetensors", "best/model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
