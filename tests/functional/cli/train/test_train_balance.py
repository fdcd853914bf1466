"""`detcli train` says how a recipe balances the data, and refuses classes that the data does not have."""

from pathlib import Path

import pytest

from tests.helpers.train_command_fixtures import SHORT, Train


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "class_weights.dgo=2"], "class_weights: the data has no class 'dgo'; did you mean 'dog'?"),
        (["--set", 'class_weights={"cat"=2}'], "the data has no class 'cat'; it has dog, zebra"),
        (["--set", "class_weights.dog=-1"], "it must be none, balanced or a table of numbers from 0.001 to 1000"),
        (["--set", "class_weights=equal"], "class_weights is 'equal'; it must be none, balanced or a table"),
        (["--set", "repeat_threshold=2"], "repeat_threshold is 2; it must be a number from 0 to 1"),
        (["--set", "max_empty_fraction=-1"], "max_empty_fraction is -1; it must be a number from 0 to 1"),
    ],
)
def test_a_mistake_in_balance_is_refused_before_the_first_step(
    train: Train, data: Path, options: list[str], message: str
) -> None:
    run = train("--data", data, "-o", "run", *SHORT, *options)
    assert run.code == 2
    assert message in run.err
    assert not Path("run").exists()


def test_factors_weights_and_steps_are_printed_before_training(train: Train, data: Path) -> None:
    fields = ["class_weights.Zebra=2.5", "repeat_threshold=1", "max_empty_fraction=0.5"]
    run = train("--data", data, "--dry-run", *SHORT, *(word for field in fields for word in ("--set", field)))
    assert run.code == 0, run.err
    assert "an epoch has 11 images, 0% of them without boxes; repeat factors: dog 1.41, zebra 1.41" in run.err
    assert "weights of classes: zebra 2.5, others 1" in run.err
    assert "2 epochs of 2 steps" in run.err
    assert "fitted to 11 images" in run.err, "those of an epoch"
    assert "[class_weights]\nZebra = 2.5" in run.out


def test_balance_that_changes_nothing_is_told(train: Train, data: Path) -> None:
    run = train("--data", data, "--dry-run", *SHORT, "--set", "repeat_threshold=0.1")
    assert "repeat_threshold = 0.1 changes nothing: no class is in fewer of the images" in run.err
