"""`detcli train` ends early when it is asked to, and refuses what cannot work before the first step."""

import json
from pathlib import Path

import pytest

from tests.helpers.train_command_fixtures import SHORT, Train


def test_a_run_says_that_its_time_is_over_and_goes_on(train: Train, data: Path) -> None:
    options = ["--data", data, "--val", "val/truth.json", "-o", "run", *SHORT]
    run = train(*options, "--max-hours", "1e-9", "--log-format", "json")
    assert run.code == 0, run.err
    summary = json.loads(run.err.splitlines()[-1])
    assert (summary["early_end"], summary.get("interrupted")) == ("max_hours", None)
    assert summary["message"].endswith("-> run; the time is over, continue with the same command and --resume")
    run = train(*options, "--resume")
    assert run.code == 0, run.err
    assert "2 epochs in" in run.err.splitlines()[-2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--patience", "3"], "`--patience` ends training when the AP no longer rises, which needs validation data"),
        (
            ["--freeze", "bakbone"],
            "'bakbone', but no parameter has a name that starts with it; did you mean 'backbone'?",
        ),
        (["--set", 'frozen=["bakbone"]'], "the recipe field frozen has 'bakbone', but no parameter has a name"),
        (["--resume", "--data", "gone.json"], "cannot --resume: there is no run in 'run' (no state.safetensors)"),
        (["--freeze", "all-but-heads,decoder,denoising,query"], "leaves no parameter to train"),
        (["--max-hours", "0"], "must be greater than 0"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(
    train: Train, data: Path, options: list[str], message: str
) -> None:
    run = train("--data", data, "-o", "run", *SHORT, *options)
    assert run.code == 2
    assert message.replace("`", "") in run.err.replace("`", "")
    assert not Path("run").exists()


def test_a_run_to_resume_needs_its_folder(train: Train, data: Path) -> None:
    run = train("--data", data, "-n", *SHORT, "--resume")
    assert run.code == 2
    assert "--resume needs the --output of the interrupted run" in run.err


def test_a_patience_longer_than_the_run_is_told(train: Train, data: Path) -> None:
    run = train("--data", data, "--val", "val/truth.json", "-n", *SHORT, "--patience", "9")
    assert run.code == 0
    assert "--patience 9 is not below --epochs 2" in run.err
