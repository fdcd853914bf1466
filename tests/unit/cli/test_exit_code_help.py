"""`detcli help exit-codes` shows the table of the code, and the overview names it."""

import pytest
from click.testing import CliRunner

from detcli.cli.main import cli
from detcli.errors import EXIT_CODES


@pytest.mark.parametrize("columns", ["40", "100"])
def test_help_shows_every_exit_code(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    done = CliRunner().invoke(cli, ["help", "exit-codes"])
    assert done.exit_code == 0
    words = " ".join(done.output.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in words


def test_the_overview_names_the_page_of_exit_codes() -> None:
    assert "detcli help exit-codes" in CliRunner().invoke(cli, ["--help"]).output


def test_a_typing_error_of_the_page_has_a_suggestion() -> None:
    done = CliRunner().invoke(cli, ["help", "exit-code"])
    assert done.exit_code == 2
    assert "'exit-codes'" in done.stderr
