"""Every command has help with an example; man/, completions/ and docs/reference/ are as generated."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from detcli.cli.docs.command_tree import CommandNode, read_tree
from detcli.cli.docs.generate import main, outdated, pages, write
from detcli.cli.docs.man_page import man_page
from detcli.cli.main import cli
from detcli.errors import EXIT_CODES

ROOT = read_tree(cli, "detcli")
BRANCHES = list(ROOT.walk())
PAGES = [branch for branch in BRANCHES if len(branch.path) <= 2]


def name(branch: CommandNode) -> str:
    return " ".join(branch.path)


@pytest.mark.parametrize("branch", BRANCHES, ids=name)
def test_every_command_has_help_and_an_example_that_runs_it(branch: CommandNode) -> None:
    assert re.fullmatch(r"[A-Z][^\n]*[.]", branch.summary)
    assert branch.help.startswith(branch.summary)
    assert any(name(branch) in example.line for example in branch.examples)


@pytest.mark.parametrize("branch", BRANCHES, ids=name)
def test_examples_use_options_that_exist(branch: CommandNode) -> None:
    for example in branch.examples:
        for part in re.findall(r"\bdetcli\b[^|;]*", example.line):
            words = part.split()
            named = max((b for b in BRANCHES if words[: len(b.path)] == list(b.path)), key=lambda b: len(b.path))
            known = {flag for option in named.flags for flag in option.names}
            assert {word for word in words if re.match(r"--?[a-zA-Z0]", word)} <= known, example.line


def test_generated_files_are_up_to_date() -> None:
    assert outdated() == [], "run python -m detcli.cli.docs.generate"


def test_what_is_generated_does_not_depend_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = pages()
    monkeypatch.setenv("COLUMNS", "40")
    assert pages() == wide


def test_generating_updates_files_and_removes_unknown_ones(tmp_path: Path) -> None:
    write(tmp_path)
    assert outdated(tmp_path) == []
    (tmp_path / "man" / "detcli-gone.1").write_text("gone")
    (tmp_path / "man" / "detcli.1").write_text("old")
    (tmp_path / "completions" / "_detcli").unlink()
    (tmp_path / "docs" / "reference" / "commands" / "gone.md").write_text("gone")
    stale = ["completions/_detcli", "docs/reference/commands/gone.md", "man/detcli-gone.1", "man/detcli.1"]
    assert outdated(tmp_path) == stale
    write(tmp_path)
    assert outdated(tmp_path) == []


def test_check_looks_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == len(outdated())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("branch", PAGES, ids=name)
def test_the_page_has_every_section_and_every_option(branch: CommandNode) -> None:
    page = man_page(branch, ROOT)
    sections = re.findall(r"^\.SH (.+)$", page, re.MULTILINE)
    wanted = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SEE ALSO",
    ]
    assert [section for section in sections if section != "COMMANDS"] == wanted
    for flag in branch.flags:
        for option in flag.names:
            assert option.replace("-", "\\-") in page
    for code in EXIT_CODES:
        assert f"\n.B {code}\n" in page


@pytest.mark.parametrize("branch", PAGES, ids=name)
def test_the_page_is_roff_without_a_slip(branch: CommandNode) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not here")
    page = man_page(branch, ROOT).encode()
    done = subprocess.run([groff, "-man", "-Tutf8", "-ww"], input=page, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"EXIT STATUS" in re.sub(rb".\x08|\x1b\[[0-9;]*m", b"", done.stdout)
