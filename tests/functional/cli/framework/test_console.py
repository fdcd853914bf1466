"""Messages on standard error: no control characters reach the terminal, and the options decide how much is printed."""

import io
import json
import unicodedata
from collections.abc import Callable

import pytest

from detcli.cli.framework.console import FAILURES_SHOWN, Console, escape
from detcli.cli.framework.text import counted, duration, megabytes

EVERY_CHARACTER = "".join(map(chr, range(0x110000)))


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    return Console()


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == "", "standard output is for data"
    return captured.err.splitlines()


def test_no_character_that_steers_or_hides_is_ever_shown() -> None:
    shown = escape(EVERY_CHARACTER)
    assert {unicodedata.category(char) for char in shown}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_letters_of_every_script_stay_what_they_are() -> None:
    for text in ("a b.jpg", "größe", "Ελλάδα", "собака", "犬", "كلب", "[red]:smile:", r"C:\images", "🐕"):
        assert escape(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\u2028", r"\u2028"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("\u200b", r"\u200b"),
    ],
)
def test_what_cannot_be_shown_is_shown_as_its_escape(raw: str, shown: str) -> None:
    assert escape(raw) == shown


def test_a_failure_names_the_file_and_the_reason(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    console.failure("a/\x1b[31mb.jpg", "truncated", "truncated after 812 bytes")
    assert said(capsys) == [r"detcli: 'a/\x1b[31mb.jpg': truncated after 812 bytes; skipped"]


def test_a_gap_is_not_called_skipped(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    console.failure("rtsp://cam", "gap", "the stream was lost: nothing came any more")
    assert said(capsys) == ["detcli: 'rtsp://cam': the stream was lost: nothing came any more"]


def test_a_failure_in_a_video_says_where(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    console.failure("a.mp4", "gap", "the stream was lost for 2.0 s", time_s=1.5)
    console.log_format = "json"
    console.failure("a.mp4", "gap", "the stream was lost for 2.0 s", time_s=1.5)
    text, as_json = capsys.readouterr().err.splitlines()
    assert text == "detcli: 'a.mp4' at 1.500 s: the stream was lost for 2.0 s"
    assert json.loads(as_json) | {"file": "a.mp4", "time_s": 1.5} == json.loads(as_json)


def test_the_first_failures_are_shown_and_the_rest_counted(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1000):
        console.failure(f"{number}.jpg", "empty", "an empty file")
    lines = said(capsys)
    assert len(lines) == FAILURES_SHOWN + 1
    assert lines[-1] == "detcli: more inputs failed; all of them are in the results"


def test_verbose_shows_every_failure(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    console.verbose = True
    for number in range(50):
        console.failure(f"{number}.jpg", "empty", "an empty file")
    assert len(said(capsys)) == 50


def test_quiet_lets_errors_through_alone(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    console.quiet = console.verbose = True
    speak: list[Callable[[], None]] = [
        lambda: console.failure("a", "empty", "an empty file"),
        lambda: console.warning("x"),
        lambda: console.say("x"),
        lambda: console.note("x"),
        lambda: console.summary("x"),
        lambda: console.error("this"),
    ]
    for say in speak:
        say()
    assert said(capsys) == ["detcli: this"]


def test_json_messages_are_one_object_a_line_with_the_numbers_apart(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    console.log_format = "json"
    console.failure("a\n\udcff.jpg", "empty", "an empty file")
    console.summary("2 images", images=2, boxes=7, interrupted=None)
    assert [json.loads(line) for line in said(capsys)] == [
        {"level": "failure", "message": "an empty file", "file": "a\n\udcff.jpg", "code": "empty"},
        {"level": "summary", "message": "2 images", "images": 2, "boxes": 7},
    ]


@pytest.mark.parametrize(
    ("color", "environment", "colored"),
    [
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {}, False),
        ("auto", {}, False),  # no terminal
    ],
)
def test_colors_are_for_terminals_that_want_them(
    console: Console,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    color: str,
    environment: dict[str, str],
    colored: bool,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    console.configure("color", color, 3)
    console.error("x")
    assert ("\x1b[" in said(capsys)[0]) is colored


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")])
def test_a_terminal_can_ask_for_no_colors(
    console: Console, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv(name, value)
    assert console.uses_color(Terminal()) is (value == "xterm")


def test_who_listens_no_more_is_no_reason_to_end(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stderr", Gone())
    console.error("x")
    monkeypatch.setattr("sys.stderr", None)
    console.error("x")


@pytest.mark.parametrize(
    ("columns", "width"),
    [("72", 72), ("1", 20), ("999999999", 1000), ("9" * 9999, 80), ("0", 80), ("-5", 80), ("wide", 80), ("", 80)],
    ids=lambda value: str(value)[:12],
)
def test_no_width_is_beyond_reason(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert Console().width(io.StringIO()) == width


def test_numbers_read_as_people_write_them() -> None:
    assert [counted(n, "box", "boxes") for n in (0, 1, 2918)] == ["0 boxes", "1 box", "2,918 boxes"]
    assert [duration(s) for s in (0.04, 9.94, 9.96, 21, 59.6, 185, 7800, 273600)] == [
        *("0.0 s", "9.9 s", "10 s", "21 s", "1 min", "3 min 5 s", "2 h 10 min", "3 d 4 h")
    ]
    assert [megabytes(n) for n in (0, 812, 40_500_000, 1.3e9, 999_999)] == [
        "0 B",
        "812 B",
        "40.5 MB",
        "1.3 GB",
        "1000 kB",
    ]
