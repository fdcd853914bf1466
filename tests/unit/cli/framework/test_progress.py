"""The progress bar fits, keeps the output above it complete, and becomes plain lines without a terminal."""

import io
import threading

import pytest
from rich.cells import cell_len

from detcli.cli.framework import progress
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import DownloadProgressBar, ProgressText, RateEstimator, RunProgressBar, bar_line


class Screen(io.StringIO):
    """A terminal that keeps what was written to it, and says when a text has been."""

    encoding = "utf-8"

    def __init__(self, awaited: str, *, terminal: bool) -> None:
        super().__init__()
        self._awaited, self._terminal = awaited, terminal
        self.seen = threading.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._awaited in text:
            self.seen.set()
        return written


def lines_left(text: str) -> list[str]:
    """What stays on a terminal of 80 columns: a carriage return and an erased line take back what was there."""
    left = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part.replace("\x1b[K", "") if part else shown
            if part == "\x1b[K":
                shown = ""
        left.append(shown)
    return left


@pytest.mark.parametrize("width", [10, 19, 30, 45, 60, 80, 120, 200])
@pytest.mark.parametrize(
    "words",
    [
        ProgressText("0 images", None, "0.0 images/s", None),
        ProgressText("1,226/12,751 images", 0.1, "12.4 images/s", 953, "3 failed"),
        ProgressText("12,751/12,751 images", 1.0, "1,210 images/s", 0, "12,751 failed"),
        ProgressText("1.3 GB/2.6 GB", 0.5, "40.5 MB/s", 273600),
        ProgressText(
            "12/300 frames", 0.04, "9.1 frames/s", 32, "12 dropped, 1 gap", "latency 45 ms", "2 person, 1 dog"
        ),
    ],
    ids=lambda words: words.counts if isinstance(words, ProgressText) else None,
)
def test_the_line_is_never_wider_than_the_screen(words: ProgressText, width: int) -> None:
    for encoding in ("utf-8", "ascii", "cp1252"):
        line = bar_line(words, width, encoding=encoding, color=False)
        assert cell_len(line) <= width
        line.encode(encoding)


def test_what_does_not_fit_goes_in_order_of_worth() -> None:
    words = ProgressText("1,226/12,751 images", 0.1, "12.4 images/s", 953, "3 failed")
    assert bar_line(words, 46, encoding="utf-8", color=False) == "1,226/12,751 images  15 min 53 s left"
    wide = bar_line(words, 100, encoding="utf-8", color=False)
    assert all(word in wide for word in ("━", "10%", "12.4 images/s", "15 min 53 s left", "3 failed"))


def test_what_changes_its_length_all_the_time_moves_nothing_else() -> None:
    def at(width: int, seen: str) -> str:
        words = ProgressText("12/300 frames", 0.04, "9.1 frames/s", 32, "12 dropped", "latency 45 ms", seen)
        return bar_line(words, width, encoding="utf-8", color=False)

    assert at(100, "2 person, 1 dog").endswith("9.1 frames/s  32 s left  12 dropped  2 person, 1 dog")
    assert at(77, "2 person, 1 dog, 1 traffic light, …") == at(77, "")


def test_messages_and_results_appear_complete_above_the_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen("images", terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    console = Console()
    with RunProgressBar(console, count=lambda: 3) as shown:
        assert screen.seen.wait(10)
        console.failure("a.jpg", "empty", "an empty file")
        shown.advance(failed=True)
        console.above(lambda: screen.write("a result\n"))
    console.summary("done")
    left = lines_left(screen.getvalue())
    assert [line.replace("\x1b[1;33m", "").replace("\x1b[0m", "") for line in left] == [
        *("detcli: 'a.jpg': an empty file; skipped", "a result", "done", "")
    ]


@pytest.mark.parametrize(("attribute", "value"), [("quiet", True), ("progress", False)])
def test_who_wants_no_progress_gets_none(monkeypatch: pytest.MonkeyPatch, attribute: str, value: object) -> None:
    monkeypatch.setattr(progress, "_FRAME_S", 0.001)
    screen = Screen("", terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    console = Console()
    setattr(console, attribute, value)
    asked: list[bool] = []
    with RunProgressBar(console, count=lambda: asked.append(True)) as shown:
        shown.advance(failed=False)
    for thread in threading.enumerate():
        if thread.name == "count":
            thread.join(10)
    assert screen.getvalue() == ""
    assert asked == [], "counting walks the whole input once more"


def test_without_a_terminal_a_plain_line_is_said_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_S", 0.01)
    screen = Screen("1 of 3 images, 1 failed", terminal=False)
    monkeypatch.setattr("sys.stderr", screen)
    with RunProgressBar(Console(), count=lambda: 3) as shown:
        shown.advance(failed=True)
        assert screen.seen.wait(10)
    assert "\r" not in screen.getvalue()
    assert "\x1b" not in screen.getvalue()


def test_a_count_that_fails_leaves_the_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def count() -> int:
        asked.set()
        raise OSError("no")

    monkeypatch.setattr("sys.stderr", Screen("", terminal=True))
    with RunProgressBar(Console(), count=count) as shown:
        shown.advance(failed=False)
        assert asked.wait(10)


def test_a_download_reports_its_name_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_S", 0.01)
    screen = Screen("downloading dfine-s: 40.5 MB of 81.0 MB", terminal=False)
    monkeypatch.setattr("sys.stderr", screen)
    shown = DownloadProgressBar(Console())
    shown.start(81_000_000, "dfine-s")
    shown.advance(50_500_000)
    shown.advance(-10_000_000)
    assert screen.seen.wait(10)
    shown.finish()
    shown.finish()
    assert screen.getvalue().startswith("detcli: downloading dfine-s (81.0 MB)\n")


def test_pace_knows_fraction_and_end() -> None:
    pace = RateEstimator(10, 20)
    assert (pace.fraction, pace.time_left) == (0.5, None)
    pace.advance(5)
    assert pace.fraction == 0.75
    assert pace.time_left is not None
    assert RateEstimator(3).fraction is None
    assert RateEstimator(3, 0).fraction is None
