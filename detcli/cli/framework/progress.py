"""Progress of a run or a download: a progress bar on a terminal, a plain line every 30 s elsewhere.

rich renders the bar. It is hidden while results or messages are written, so that they appear complete above it.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import duration, megabytes, number, rate

_FRAME_S = 0.2  # between two updates of the progress bar
_PLAIN_S = 30.0  # between two plain lines
_MEMORY_S = 20.0  # window of the rate


@dataclass(frozen=True, slots=True)
class ProgressText:
    """Parts of the progress bar: counts, fraction done, rate, time left, a remark, other facts, and `least`.

    `least` is the least important part; it is at the end, so that its changing length moves no other part.
    """

    counts: str
    fraction: float | None
    rate: str
    seconds_left: int | None
    remark: str = ""
    facts: str = ""
    least: str = ""


class ProgressLine:
    """A progress bar at the bottom of a terminal, or a plain line every 30 s without a terminal.

    words  returns the current parts of the bar
    plain  returns the same as a sentence and its values
    """

    def __init__(
        self, console: Console, words: Callable[[], ProgressText], plain: Callable[[], tuple[str, dict[str, object]]]
    ) -> None:
        self._console, self._words, self._plain = console, words, plain
        self._moves = console.can_animate()
        self._before = console.above
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._shown = False
        self._thread = threading.Thread(target=self._live if self._moves else self._say, name="progress", daemon=True)

    @property
    def is_enabled(self) -> bool:
        """Whether progress is shown."""
        return not self._console.quiet and self._console.progress is not False

    def __enter__(self) -> Self:
        if self.is_enabled:
            self._console.clear_status()
            if self._moves:
                self._console.above = self.above
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._hide()
            self._console.above = self._before

    def above(self, write: Callable[[], Any]) -> Any:
        """Call `write` while the bar is hidden."""
        with self._lock:
            self._hide()
            return write()

    def _live(self) -> None:
        while not self._ended.wait(_FRAME_S):
            with self._lock:
                width = self._console.width() - 1  # a full line makes some terminals scroll
                encoding, color = sys.stderr.encoding or "ascii", self._console.uses_color()
                self._put("\r" + bar_line(self._words(), width, encoding=encoding, color=color), erase=True)
                self._shown = True

    def _say(self) -> None:
        while not self._ended.wait(_PLAIN_S):
            sentence, numbers = self._plain()
            self._console.say(sentence, **numbers)

    def _hide(self) -> None:
        if self._shown:
            self._put("\r", erase=True)
            self._shown = False

    def _put(self, text: str, *, erase: bool) -> None:
        try:
            sys.stderr.write(text + ("\x1b[K" if erase else ""))
            sys.stderr.flush()
        except (OSError, ValueError):
            self._ended.set()


class RunProgressBar:
    """Progress of a run over images, a context manager around the run.

    done   number of images that a resumed run already has
    count  returns the number of images, called in a separate thread; None: unknown
    """

    def __init__(self, console: Console, *, done: int = 0, count: Callable[[], int | None] | None = None) -> None:
        self._pace = RateEstimator(done)
        self._failed = 0
        self._count = count
        self._line = ProgressLine(console, self._words, self._plain)

    def __enter__(self) -> Self:
        if self._count is not None and self._line.is_enabled:
            threading.Thread(target=self._find_total, name="count", daemon=True).start()
        self._line.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._line.__exit__(kind, error, at)

    def advance(self, *, failed: bool) -> None:
        """Count one more image."""
        self._pace.advance(1)
        self._failed += failed

    def advance_by(self, done: int, failed: int) -> None:
        """Count several more images, and those of them that failed."""
        self._pace.advance(done)
        self._failed += failed

    def _find_total(self) -> None:
        try:
            self._pace.total = self._count() if self._count is not None else None
        except Exception:  # the run fails with the same error and reports it
            self._pace.total = None

    def _words(self) -> ProgressText:
        pace = self._pace
        of = f"/{number(pace.total)}" if pace.total is not None else ""
        failed = f"{number(self._failed)} failed" if self._failed else ""
        return ProgressText(
            f"{number(pace.done)}{of} images", pace.fraction, rate(pace.rate, "images"), pace.time_left, failed
        )

    def _plain(self) -> tuple[str, dict[str, object]]:
        pace = self._pace
        of = f" of {number(pace.total)}" if pace.total is not None else ""
        sentence = f"{number(pace.done)}{of} images, {number(self._failed)} failed, {rate(pace.rate, 'images')}"
        if pace.time_left is not None:
            sentence += f", {duration(pace.time_left)} left"
        numbers = {"done": pace.done, "total": pace.total, "failed": self._failed}
        return sentence, numbers | {"per_second": round(pace.rate, 2), "seconds_left": pace.time_left}


class DownloadProgressBar:
    """Progress of a download; implements `Progress` of the checkpoints package."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line: ProgressLine | None = None
        self._pace = RateEstimator(0)
        self._what = ""

    def start(self, total: int | None, description: str) -> None:
        """Begin a download of `total` bytes."""
        self.finish()
        self._pace, self._what = RateEstimator(0, total), description
        size = f" ({megabytes(total)})" if total is not None else ""
        self._console.say(f"downloading {description}{size}", total=total)
        self._line = ProgressLine(self._console, self._words, self._plain).__enter__()

    def advance(self, count: int) -> None:
        """Count more downloaded bytes."""
        self._pace.advance(count)

    def finish(self) -> None:
        """End the download."""
        if self._line is not None:
            self._line.__exit__(None, None, None)
            self._line = None

    def _words(self) -> ProgressText:
        pace = self._pace
        of = f"/{megabytes(pace.total)}" if pace.total is not None else ""
        return ProgressText(f"{megabytes(pace.done)}{of}", pace.fraction, f"{megabytes(pace.rate)}/s", pace.time_left)

    def _plain(self) -> tuple[str, dict[str, object]]:
        pace = self._pace
        of = f" of {megabytes(pace.total)}" if pace.total is not None else ""
        left = f", {duration(pace.time_left)} left" if pace.time_left is not None else ""
        sentence = f"downloading {self._what}: {megabytes(pace.done)}{of}, {megabytes(pace.rate)}/s{left}"
        return sentence, {"done": pace.done, "total": pace.total, "seconds_left": pace.time_left}


class RateEstimator:
    """Items done, the current rate, and the estimated time left."""

    def __init__(self, done: int, total: int | None = None) -> None:
        self.done, self.total = done, total
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), done)])

    def advance(self, count: int) -> None:
        """Count more items."""
        self.done += count

    @property
    def rate(self) -> float:
        """Items per second, over the last 20 s."""
        now = time.monotonic()
        if now - self._seen[-1][0] >= 0.5:
            self._seen.append((now, self.done))
        while len(self._seen) > 2 and now - self._seen[1][0] > _MEMORY_S:
            self._seen.popleft()
        then, done = self._seen[0]
        return max(0.0, (self.done - done) / max(now - then, 1e-3))

    @property
    def fraction(self) -> float | None:
        """Fraction done, or None if the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def time_left(self) -> int | None:
        """Estimated seconds left, or None if unknown."""
        rate = self.rate
        return round(max(0, self.total - self.done) / rate) if self.total is not None and rate > 0 else None


def bar_line(words: ProgressText, width: int, *, encoding: str, color: bool) -> str:
    """The progress bar in `width` columns: counts, bar, rate, time left, failures; parts that do not fit are dropped."""
    from io import BytesIO, TextIOWrapper

    from rich.console import Console as RichConsole
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    left = "" if words.seconds_left is None else f"{duration(words.seconds_left)} left"
    percent = "" if words.fraction is None else f"{words.fraction:4.0%}"
    cells = [(words.counts, ""), (percent, "bold"), (words.facts, ""), (words.rate, "cyan"), (left, "cyan")]
    cells += [(words.remark, "yellow"), (words.least, "")]
    texts = [Text(text, style, no_wrap=True) for text, style in cells if text]
    for spare in (words.least, words.rate, percent, words.facts, words.remark, left):  # the least important first
        if sum(text.cell_len + 2 for text in texts) > width + 2:
            texts = [text for text in texts if text.plain != spare]
    free = width - sum(text.cell_len + 2 for text in texts)
    row: list[Text | ProgressBar] = list(texts)
    if words.fraction is not None and free >= 8:
        row.insert(1, ProgressBar(1.0, words.fraction, min(free, 40), complete_style="cyan", finished_style="green"))
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in row:
        table.add_column(no_wrap=True)
    table.add_row(*row)
    screen = TextIOWrapper(BytesIO(), encoding=encoding, errors="replace", newline="\n")
    rich = RichConsole(
        file=screen,
        width=width,
        force_terminal=True,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
    )
    rich.print(table, no_wrap=True, overflow="crop", crop=True, end="")
    screen.seek(0)
    return screen.read().split("\n", 1)[0].rstrip()
