"""Options of outputs: checked values, and files where folders are to be written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.cli_runs import Run, assert_refused


@pytest.mark.parametrize(
    "slip",
    [
        ("--format", "xml"),
        ("--if-exists", "append"),
        ("--rows", "videos"),
    ],
    ids=" ".join,
)
def test_a_value_that_makes_no_sense_is_told_with_its_flag(detcli: Callable[..., Run], slip: tuple[str, str]) -> None:
    assert_refused(detcli, *slip)


@pytest.mark.parametrize(
    "words",
    [
        "detect a.png -m shapes --save-images FILE",
        "detect a.png -m shapes --save-crops FILE",
        "segment a.png --save-images FILE",
        "segment a.png --save-masks FILE",
        "eval -m shapes --data shapes:1:3 --save-plots FILE",
        "eval -m shapes --data shapes:1:3 --save-worst FILE",
        "train --data shapes:0:5 -o FILE",
        "models convert a.png -o FILE",
        "demo -o FILE",
    ],
)
def test_a_file_where_a_folder_is_to_be_written_is_told_as_an_output(
    detcli: Callable[..., Run], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FILE", "a.png"):
        Path(name).write_bytes(b"mine")
    run = detcli(*words.split(), "-y")
    assert (run.code, run.err) == (8, "detcli: cannot write 'FILE': it is a file\n")
    assert Path("FILE").read_bytes() == b"mine"
