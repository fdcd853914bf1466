"""The session that the README shows is what the commands print."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from detcli.cli.main import cli

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
[SESSION] = re.findall(r"^```text\n\$ detcli (.*?)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def words(text: str) -> list[str]:
    """The words of an output, without the duration and the width of its columns."""
    return re.sub(r" in [0-9.]+ s", "", text).split()


def test_the_session_of_the_readme_is_what_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, output = SESSION
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert CliRunner().invoke(cli, ["demo", "-q"]).exit_code == 0
    done = CliRunner().invoke(cli, [*shlex.split(command), "-f", "table", "-d", "cpu"])
    assert done.exit_code == 0
    assert words(done.stdout + done.stderr) == words(output)
