"""`detcli train --teacher`: what is said before the first step, and what is refused there."""

from pathlib import Path

import pytest

from tests.helpers.train_command_fixtures import SHORT, Train


@pytest.fixture
def teacher(train: Train, data: Path) -> str:
    """A model that was trained on the data."""
    run = train("--data", data, "-o", "first", *SHORT, "--epochs", "1")
    assert run.code == 0, run.err
    return "first/last"


def test_a_run_with_a_teacher_ends_and_is_resumed_with_it(train: Train, data: Path, teacher: str) -> None:
    options = ["--data", data, "-o", "run", *SHORT, "--teacher", teacher]
    run = train(*options, "--max-hours", "1e-9")
    assert run.code == 0, run.err
    assert f"the network also learns from '{teacher}' (" in run.err
    refused = train("--data", data, "-o", "run", *SHORT, "--resume")
    assert refused.code == 2
    assert "it has another teacher: there was some, and now there is none" in refused.err
    resumed = train(*options, "--resume")
    assert resumed.code == 0, resumed.err
    assert "2 epochs in" in resumed.err


def test_the_model_itself_has_little_to_teach(train: Train, data: Path, teacher: str) -> None:
    run = train("--data", data, *SHORT, "--dry-run", "-m", teacher, "--teacher", teacher)
    assert run.code == 0, run.err
    assert f"--teacher is '{teacher}', which the network starts from: it has little to teach" in run.err


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        (
            "shapes",
            2,
            "--teacher 'shapes' does not have the classes 'dog', 'zebra' of the data: train it on this data first",
        ),
        ("nowhere", 5, "there is no model 'nowhere'"),
    ],
)
def test_a_teacher_that_cannot_be_used_is_refused(train: Train, data: Path, name: str, code: int, message: str) -> None:
    run = train("--data", data, "-o", "run", *SHORT, "--teacher", name)
    assert run.code == code, run.err
    assert message in run.err
    assert not Path("run").exists()
