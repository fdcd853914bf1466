"""The session that the README shows is what the commands print."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from detcli.cli.main import cli

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
[SESSION] = re.findall(r"^```text\n\$ detcli (.*?)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def rows(text: str) -> list[tuple[list[str], list[float]]]:
    """The words and the numbers of each line, without durations; sorted, because scores are rounded."""
    lines = re.sub(r" in [0-9.]+ s", "", text).splitlines()
    parts = [[word.removesuffix(",") for word in line.split()] for line in lines]
    return sorted(
        (
            [word for word in words if not NUMBER.fullmatch(word) and "/" not in word],
            [float(word) for word in words if NUMBER.fullmatch(word)],
        )
        for words in parts
    )


def test_the_session_of_the_readme_is_what_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, output = SESSION
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert CliRunner().invoke(cli, ["demo", "-q"]).exit_code == 0
    done = CliRunner().invoke(cli, [*shlex.split(command), "-f", "table", "-d", "cpu"])
    assert done.exit_code == 0
    shown, printed = rows(output), rows(done.stdout + done.stderr)
    assert [words for words, _ in shown] == [words for words, _ in printed]
    for (_, expected), (words, numbers) in zip(shown, printed, strict=True):
        assert numbers[:1] == pytest.approx(expected[:1], abs=0.02), words  # scores
        assert numbers[1:] == pytest.approx(expected[1:], abs=2), words  # pixels
