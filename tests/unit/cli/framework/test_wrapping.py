"""Messages on a terminal break between words."""

import io
import shlex

import pytest
from rich.cells import cell_len

from detcli.cli.framework.console import Console
from detcli.cli.framework.help_page import folded
from detcli.cli.framework.text import rate, wrapped

TEXT = "detcli: cannot download 'dfine-s' ('config.json' of ustc-community/dfine-small-coco): cannot reach 犬犬犬 größe"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_no_word_is_broken_and_none_is_lost(width: int) -> None:
    lines = wrapped(TEXT, width)
    assert " ".join(line.strip() for line in lines) == TEXT
    for line in lines:
        assert cell_len(line) <= width or len(line.split()) == 1
    assert all(line.startswith("  ") for line in lines[1:])


@pytest.mark.parametrize("text", ["", " ", "a", "a  b", "x" * 50, "use:  detcli eval", "  indented text that is long"])
def test_spaces_stay_as_they_are(text: str) -> None:
    assert wrapped(text, 100) == [text]
    assert wrapped(text, 10)[0].startswith(text[:2])


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_messages_hints_and_summaries_are_wrapped_on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console()
    console.error(TEXT.removeprefix("detcli: "), hint=[TEXT, "short"])
    console.summary(TEXT)
    console.say(TEXT)
    lines = screen.getvalue().splitlines()
    assert all(cell_len(line) <= columns for line in lines)
    assert " ".join(" ".join(lines).split()) == f"{TEXT} {TEXT} short {TEXT} detcli: {TEXT}"


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Console().say(TEXT)
    assert capsys.readouterr().err == f"detcli: {TEXT}\n"


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.04, "0.0 images/s"), (14.26, "14.3 images/s"), (99.96, "100 images/s"), (1210, "1,210 images/s")],
)
def test_a_rate_has_its_unit(value: float, words: str) -> None:
    assert rate(value, "images") == words


def test_examples_break_outside_quotes_and_can_be_pasted() -> None:
    line = "find . -name '*.jpg' | detcli detect --files-from - | jq -r 'select(any(.detections[]?; .label == \"dog\")) | .file'"
    for width in range(30, 140):
        shown = folded(line, width)
        assert shlex.split(shown.replace("\\\n", "")) == shlex.split(line)
        assert "\\\n" in shown or len(line) <= width
