"""A published recipe is fitted to few images, and only where the user said nothing else."""

import pytest

from detcli.training.recipes.recipe import Recipe
from detcli.training.recipes.small_data import SMALL_EPOCH, fit_note, fitted_fields

PUBLISHED = Recipe(epochs=220, batch=64, base_batch=64, lr=4e-4, backbone_lr=2e-4, stop_augmentation_epoch=200)


@pytest.mark.parametrize(("images", "batch"), [(1, 4), (40, 4), (205, 8), (399, 8), (400, 16), (1600, 64), (6399, 64)])
def test_small_data_has_small_batches_of_which_an_epoch_has_many(images: int, batch: int) -> None:
    fitted = PUBLISHED.merged(fitted_fields(PUBLISHED, images))
    assert fitted.batch == batch
    assert fitted.epochs * max(1, images // batch) >= 1500
    assert fitted.warmup_steps <= 0.05 * fitted.epochs * max(1, images // batch) + 1


def test_data_for_which_the_recipe_is_meant_changes_nothing() -> None:
    assert fitted_fields(PUBLISHED, 64 * SMALL_EPOCH) == {}


def test_rates_fall_with_the_square_root_of_the_batch() -> None:
    fitted = PUBLISHED.merged(fitted_fields(PUBLISHED, 400))
    assert (fitted.batch, fitted.rate_scale) == (16, 0.5)
    assert PUBLISHED.merged({"batch": 16}).rate_scale == 0.25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", 32),
        ("epochs", 3),
        ("schedule", "constant"),
        ("warmup_steps", 7),
        ("ema_decay", 0.5),
        ("lr_scaling", "linear"),
    ],
)
def test_what_the_user_set_stays(name: str, value: object) -> None:
    asked = PUBLISHED.merged({name: value})
    fields = fitted_fields(asked, 200, given={name})
    assert fields
    assert name not in fields
    assert getattr(asked.merged(fields), name) == value


def test_lengths_follow_the_steps_of_the_run() -> None:
    short, long = (PUBLISHED.merged({"epochs": epochs}) for epochs in (4, 400))
    few, many = (recipe.merged(fitted_fields(recipe, 200, given={"epochs"})) for recipe in (short, long))
    assert (few.warmup_steps, many.warmup_steps) == (5, 500)
    assert (few.ema_decay, many.ema_decay) == (0.9, 0.999)
    assert (few.evaluate_every_epochs, many.evaluate_every_epochs) == (1, 8)


def test_a_step_schedule_a_missing_average_and_micro_batches_stay() -> None:
    recipe = PUBLISHED.merged({"schedule": "step", "milestone_epochs": [110], "ema_decay": 0, "accumulate": 16})
    fitted = recipe.merged(fitted_fields(recipe, 200))
    assert (fitted.schedule, fitted.milestone_epochs, fitted.ema_decay, fitted.batch) == ("step", (110,), 0, 16)


@pytest.mark.parametrize(("processes", "batch"), [(1, 4), (2, 4), (4, 4), (8, 8), (3, 6)])
def test_processes_have_equal_parts_of_a_fitted_batch(processes: int, batch: int) -> None:
    assert fitted_fields(PUBLISHED, 40, processes=processes)["batch"] == batch


def test_patience_keeps_the_evaluations_it_compares() -> None:
    assert fitted_fields(PUBLISHED, 205)["evaluate_every_epochs"] == 4
    assert "evaluate_every_epochs" not in fitted_fields(PUBLISHED.merged({"patience": 3}), 205)


def test_fitting_can_be_turned_off() -> None:
    assert fitted_fields(PUBLISHED.merged({"fit_to_data": False}), 10) == {}


def test_the_note_says_what_changed() -> None:
    fitted = PUBLISHED.merged(fitted_fields(PUBLISHED, 205))
    assert fit_note(PUBLISHED, fitted, 205) == (
        "the recipe was fitted to 205 images: batch size 8, lr 0.000141, warm-up of 275 steps, cosine schedule; the recipe "
        "field fit_to_data = false keeps the published one"
    )
