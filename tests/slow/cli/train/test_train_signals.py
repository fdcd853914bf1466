"""A signal ends `detcli train` with everything saved, and the run can be resumed."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers.train_command_fixtures import SHORT, Train


def interrupted(words: Sequence[str], number: signal.Signals, *, after: str) -> tuple[int, list[str]]:
    """The exit code and the lines of a run that is sent a signal once it has said that an epoch is over."""
    process = subprocess.Popen([sys.executable, "-m", "detcli", *words], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(after):
            break
    process.send_signal(number)
    _, rest = process.communicate(timeout=120)
    return process.returncode, [*lines, *rest.splitlines()]


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_signals_save_and_resume_continues(train: Train, tiny_checkpoint: Path, data: Path) -> None:
    words = ["train", "-m", str(tiny_checkpoint), "--data", str(data), "-o", "run", *SHORT, "--epochs", "200"]
    code, lines = interrupted(words, signal.SIGTERM, after="detcli: epoch 1 of 200")
    assert code == 143, lines
    assert lines[-1].endswith("-> run; interrupted by SIGTERM, resume with the same command and --resume")

    wrong = train("--data", data, "-o", "run", "--resume", "--epochs", "9")
    assert wrong.code == 2
    assert "it has another recipe: epochs was 200 and is 9 now" in wrong.err

    code, lines = interrupted(
        ["train", "--data", str(data), "-o", "run", "--resume", "-d", "cpu"], signal.SIGINT, after="detcli: epoch "
    )
    assert code == 130, lines
    assert [line for line in lines if "cpu in fp32: continuing at step " in line]
    assert not [line for line in lines if line.startswith("detcli: epoch 1 of 200")]
