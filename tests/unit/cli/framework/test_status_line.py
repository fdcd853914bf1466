"""The status line: shown on a terminal before anything slow, gone before anything else is printed."""

import io
import subprocess
import sys

import pytest

from detcli.cli.framework.console import Console


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The terminal of a test, for the test itself: between a fixture and a test, pytest replaces standard error."""
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    return screen


def test_a_status_is_one_line_that_a_message_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    console = Console()
    console.status("loading model dfine-s")
    console.warning("something")
    console.clear_status()
    console.summary("done")
    shown = "\rloading model dfine-s\x1b[K"
    assert screen.getvalue() == f"{shown}\r\x1b[Kdetcli: something\n{shown}\r\x1b[Kdone\n"


def test_the_next_status_replaces_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    console = Console()
    console.status("reading data")
    console.status("reading data")
    console.status("loading")
    console.clear_status()
    console.clear_status()
    assert screen.getvalue() == "\rreading data\x1b[K\r\x1b[K\rloading\x1b[K\r\x1b[K"


def test_a_long_status_stays_on_its_line_and_steers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    Console().status("loading \x1b[2J" + "x" * 100)
    (line,) = screen.getvalue().removesuffix("\x1b[K").split("\r")[1:]
    assert len(line) == 59
    assert "\x1b" not in line


@pytest.mark.parametrize(("name", "value"), [("quiet", True), ("progress", False), ("log_format", "json")])
def test_without_progress_there_is_no_status(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    screen = terminal(monkeypatch)
    console = Console()
    setattr(console, name, value)
    console.status("loading")
    assert screen.getvalue() == ""


def test_without_a_terminal_it_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.status("loading")
    assert capsys.readouterr().err == ""
    console.verbose = True
    console.status("loading")
    console.clear_status()
    assert capsys.readouterr().err == "detcli: loading\n"


# Prints the first status of a command and whether torch was imported before, and ends.
FIRST = """
import os, sys
from detcli.cli.framework.console import Console
def status(self, text):
    print(text, "torch" in sys.modules, flush=True)
    os._exit(0)
Console.status = status
from detcli.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("detect a.jpg -m dfine-s", "loading model dfine-s"),
        ("detect a.jpg -n", "listing images"),
        ("segment a.jpg", "loading model detr-r50-panoptic"),
        ("video a.mp4", "opening a.mp4"),
        ("video http://user:secret@host/a.mp4", "opening 1 video"),
        ("video a.mp4 b.mp4", "opening 2 videos"),
        ("eval -m shapes --data shapes:1:2", "reading data shapes:1:2"),
        ("eval a.jsonl --gt a.json", "reading results a.jsonl"),
        ("train --data shapes:1:2 -n", "reading data shapes:1:2"),
        ("download dfine-s", "requesting dfine-s"),
        ("models verify shapes", "verifying shapes"),
    ],
)
def test_the_first_status_comes_before_torch_is_imported(words: str, status: str) -> None:
    done = subprocess.run([sys.executable, "-c", FIRST, *words.split()], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{status} False\n", done.stderr
