"""Messages on standard error, with untrusted text escaped.

Standard output carries only data. `progress.py` draws the progress bar; `above` hides the bar during a write.
"""

import contextlib
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TextIO

from detcli.cli.framework.translate import translate

ColorWhen = Literal["auto", "always", "never"]
LogFormat = Literal["text", "json"]

FAILURES_SHOWN = 20
_NARROWEST, _WIDEST = 20, 1000  # columns

# Control, formatting and unassigned characters: shown as escapes.
_UNSAFE_CATEGORIES = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_STYLES = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[2m"}
_RESET = "\x1b[0m"
_LONGEST_MESSAGE = 5000  # characters; two paths of the longest kind fit
_PREFIX = "detcli:"


def escape(text: str) -> str:
    r"""Replace every character that is not plainly visible by its escape.

    A byte of a file name that is not UTF-8 shows as \xff, ESC as \x1b, a right-to-left override as \u202e.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if _is_unsafe(char) else char for char in text)


def _is_unsafe(char: str) -> bool:
    return unicodedata.category(char) in _UNSAFE_CATEGORIES


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8 (surrogateescape)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Console:
    """Messages on standard error; the global options set its attributes.

    quiet       print errors only
    verbose     print notes and every failure
    color       when to color lines
    log_format  plain lines, or one JSON object per line
    progress    show progress; None: if standard error is a terminal
    debug       show tracebacks
    config      the file of `--config`, or None
    above       calls a function while the progress bar is hidden
    """

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = False
        self.color: ColorWhen = "auto"
        self.log_format: LogFormat = "text"
        self.progress: bool | None = None
        self.debug = False
        self.config: str | None = None
        self.failures = 0
        self.above: Callable[[Callable[[], Any]], Any] = self._above_status
        self.option_names: Mapping[str, str] = {}
        self.command = "detcli"
        self._ranks: dict[str, int] = {}
        self._status = ""

    def configure(self, name: str, value: object, rank: int) -> None:
        """Set an attribute, unless a source of higher rank has set it: command line over environment over file."""
        if rank >= self._ranks.get(name, 0):
            self._ranks[name] = rank
            setattr(self, name, value)

    def error(self, message: str, *, exit_code: int | None = None, hint: str | Sequence[str] | None = None) -> None:
        """Print an error; errors are printed even with `--quiet`. The hint may have several lines."""
        lines = [hint] if isinstance(hint, str) else list(hint or ())
        if self.log_format == "json":
            self._line("error", message, exit_code=exit_code, hint=" ".join(lines) or None)
            return
        self._line("error", message)
        for line in lines:
            for part in self._wrapped(escape(line)):
                self._write(self._styled("note", part))

    def warning(self, message: str) -> None:
        """Print a warning; the run continues."""
        if not self.quiet:
            self._line("warning", message)

    def say(self, message: str, **facts: object) -> None:
        """Print an information; `facts` are its values for JSON logs."""
        if not self.quiet:
            self._line("info", message, **facts)

    def note(self, message: str, **facts: object) -> None:
        """Print a note, only with `--verbose`."""
        if self.verbose and not self.quiet:
            self._line("note", message, **facts)

    def status(self, text: str) -> None:
        """Say what is being done, on a line of a terminal that the next message or result replaces; elsewhere a note."""
        if escape(text) == self._status:
            return
        self.clear_status()
        if self.quiet or self.progress is False or not self.can_animate():
            self.note(text)
            return
        self._status = escape(text)
        self._draw_status()

    def clear_status(self) -> None:
        """Take the status off the screen."""
        if self._status:
            self._status = ""
            _put(sys.stderr, "\r\x1b[K", end="")

    def summary(self, sentence: str, **facts: object) -> None:
        """Print the last line of a run."""
        if self.quiet:
            return
        if self.log_format == "json":
            self._line("summary", sentence, **facts)
        else:
            for part in self._wrapped(escape(sentence)):
                self._write(part)

    def failure(self, file: str, code: str, message: str, *, time_s: float | None = None) -> None:
        """Print an input that failed; after 20 failures they are only counted, unless `--verbose`.

        time_s  time of missing frames in a video; None: the complete input failed
        """
        self.failures += 1
        if self.quiet:
            return
        if self.log_format == "json":
            self._line("failure", message, file=file, code=code, time_s=time_s)
        elif self.verbose or self.failures <= FAILURES_SHOWN:
            where = f"'{file}'" if time_s is None else f"'{file}' at {time_s:.3f} s"
            done = "; skipped" if time_s is None and code != "gap" else ""  # a lost stream is reconnected
            self._line("failure", f"{where}: {message.removesuffix('.')}{done}")
        elif self.failures == FAILURES_SHOWN + 1:
            self._line("failure", "more inputs failed; all of them are in the results")

    def bug(self, error: BaseException) -> None:
        """Print an unexpected exception in one line."""
        self.trace(error)
        lines = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        hint = None if self.debug else "this is a bug in detcli; --debug shows a traceback"
        self.error(what, exit_code=1, hint=hint)

    def trace(self, error: BaseException) -> None:
        """Print the traceback, only with `--debug`."""
        if self.debug:
            import traceback

            for line in "".join(traceback.format_exception(error)).splitlines():
                self._write(escape(line))

    def uses_color(self, stream: TextIO | None = None) -> bool:
        """Whether a stream gets colors: by `--color`, else if it is a terminal and NO_COLOR is not set."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return is_terminal(stream or sys.stderr)

    def can_animate(self) -> bool:
        """Whether standard error can show a progress bar."""
        if self.log_format == "json" or os.environ.get("TERM") == "dumb":
            return False
        return is_terminal(sys.stderr)

    def width(self, stream: TextIO | None = None) -> int:
        """Width of a stream's terminal: COLUMNS, else the size of the terminal, else 80."""
        columns = os.environ.get("COLUMNS", "")
        try:
            shown = int(columns) if columns.isdecimal() and len(columns) < 10 else 0
            shown = shown or os.get_terminal_size((stream or sys.stderr).fileno()).columns
        except (OSError, ValueError, AttributeError):
            shown = 80
        return min(max(shown, _NARROWEST), _WIDEST)

    def _line(self, level: str, message: str, **facts: object) -> None:
        message = _shortened(translate(message, self.option_names))
        if self.log_format == "json":
            shown = {name: value for name, value in facts.items() if value is not None}
            self._write(json.dumps({"level": level, "message": message, **shown}))
            return
        style = {"error": "error", "failure": "warning", "warning": "warning", "note": "note"}.get(level)
        first, *others = self._wrapped(f"{_PREFIX} {escape(message)}")
        self._write(self._styled(style, _PREFIX) + first.removeprefix(_PREFIX))
        for line in others:
            self._write(line)

    def _wrapped(self, text: str) -> list[str]:
        """Lines for standard error: broken between words on a terminal, else one line."""
        from detcli.cli.framework.text import wrapped

        return wrapped(text, self.width()) if is_terminal(sys.stderr) else [text]

    def _above_status(self, write: Callable[[], Any]) -> Any:
        """Call `write` while the status is hidden."""
        if not self._status:
            return write()
        _put(sys.stderr, "\r\x1b[K", end="")
        try:
            return write()
        finally:
            self._draw_status()

    def _draw_status(self) -> None:
        from rich.cells import set_cell_size

        text = self._status if len(self._status) < self.width() else set_cell_size(self._status, self.width() - 1)
        _put(sys.stderr, "\r" + self._styled("note", text.rstrip()) + "\x1b[K", end="")

    def _styled(self, style: str | None, text: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if style and self.uses_color() else text

    def _write(self, line: str) -> None:
        if sys.stderr is not None:  # None: closed by the parent process
            self.above(lambda: _put(sys.stderr, line))


def _shortened(message: str) -> str:
    """The message without the middle of a text that a file has thousands of characters of."""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    half = _LONGEST_MESSAGE // 2
    return f"{message[:half]} … {message[-half:]}"


def _put(stream: TextIO | None, line: str, *, end: str = "\n") -> None:
    if stream is None:
        return
    encoding = stream.encoding or "ascii"
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # a closed standard error does not stop a run
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + end)
        stream.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
