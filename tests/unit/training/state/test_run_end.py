"""What the time limit of a run leaves of it is said once, from the time of the first epochs."""

import time

import pytest

from detcli.training.optimization.distributed import Processes
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.run_end import RunEnd
from detcli.training.state.training_state import TrainingProgress
from tests.helpers.training_jobs import quick_recipe

EARLY = "`max_hours` ends the run after about {} of its 120 epochs, and `resume` continues it"
FITTING = "; a new run with `epochs` {} ends in this time with the lowest learning rate"


def said(
    monkeypatch: pytest.MonkeyPatch,
    recipe: Recipe,
    seconds: list[float],
    *,
    hours: float | None,
    step: int = 0,
    since: float | None = None,
) -> list[str | None]:
    """What is said after each epoch.

    seconds  that the epochs take
    step     of the first epoch at which the run goes on
    since    when the limit starts; the run starts at 1000
    """
    clock, progress = [1000.0], TrainingProgress(step=step)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    end = RunEnd(recipe, progress, Processes(0, 1), max_hours=hours, since=since)
    clock[0] += 5  # until the first step
    end.start()
    found = []
    for each in seconds:
        clock[0] += each
        progress.epoch, progress.step = progress.epoch + 1, 0
        assert end.after_epoch() is None
        found.append(end.forecast())
    return found


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (None, [None, None]),
        (2.0, [None, None]),
        (1.0, [EARLY.format(89) + FITTING.format(89), None]),
        (0.04, [EARLY.format(3) + FITTING.format(3), None]),
    ],
)
def test_the_number_of_epochs_that_fit_is_said_once(
    monkeypatch: pytest.MonkeyPatch, hours: float | None, expected: list[str | None]
) -> None:
    recipe = quick_recipe(epochs=120, schedule="cosine", evaluate_every_epochs=1)
    assert said(monkeypatch, recipe, [40.0, 40.0], hours=hours) == expected


def test_a_constant_rate_needs_no_other_number_of_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = quick_recipe(epochs=120, schedule="constant", evaluate_every_epochs=1)
    assert said(monkeypatch, recipe, [40.0], hours=1.0) == [EARLY.format(89)]


def test_the_time_of_a_validation_is_part_of_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = quick_recipe(epochs=120, schedule="constant", evaluate_every_epochs=3)
    assert said(monkeypatch, recipe, [30.0, 30.0, 60.0], hours=1.0) == [None, None, EARLY.format(89)]


def test_an_epoch_that_was_begun_before_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = quick_recipe(epochs=120, schedule="constant", evaluate_every_epochs=1)
    assert said(monkeypatch, recipe, [2.0, 40.0], hours=1.0, step=7) == [None, EARLY.format(90)]


def test_the_time_for_reading_data_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = quick_recipe(epochs=120, schedule="cosine", evaluate_every_epochs=1)
    expected = EARLY.format(87) + FITTING.format(87)
    assert said(monkeypatch, recipe, [40.0], hours=1.0, since=1000.0 - 90.0) == [expected]


def test_a_limit_may_pass_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    recipe = quick_recipe(epochs=3)
    before = [
        RunEnd(recipe, TrainingProgress(), Processes(0, 1), max_hours=0.01, since=start) for start in (0.0, 990.0)
    ]
    assert [end.is_over() for end in before] == [True, False]
