"""Standard output of the command line: a table on a terminal, results in a pipe, clear of the progress line."""

import sys
from typing import TYPE_CHECKING, BinaryIO, cast

from detcli.cli.framework.console import Console, is_terminal
from detcli.engine.outputs.standard_output import TABLE, open_on_stream
from detcli.errors import OutputError, UsageError

if TYPE_CHECKING:
    from detcli.engine.outputs.standard_output import Sink, SinkSettings


class TerminalOutput:
    """The standard output that a run of the command line writes to."""

    def __init__(self, console: Console, *, default_format: str | None = None) -> None:
        """`default_format` is the format where none is named; None: a table on a terminal, JSON Lines elsewhere."""
        self._console = console
        self._default_format = default_format

    @property
    def default_format(self) -> str:
        """The format where none is named."""
        return self._default_format or (TABLE if is_terminal(sys.stdout) else "jsonl")

    def check(self, *, binary: bool) -> None:
        """Raise OutputError where standard output is closed, and UsageError for a binary format on a terminal."""
        if sys.stdout is None:
            raise OutputError("standard output is closed; use `outputs`")
        if binary and is_terminal(sys.stdout):
            raise UsageError(
                "the format is binary, and standard output is a terminal: name a file in `outputs`, or redirect the output"
            )

    def open(self, format_name: str, settings: "SinkSettings") -> "Sink":
        """A sink of this format on standard output."""
        stream: BinaryIO = sys.stdout.buffer
        if is_terminal(sys.stdout) and self._console.can_animate():
            stream = cast("BinaryIO", _AboveProgressLine(stream, self._console))
        if format_name != TABLE:
            return open_on_stream(format_name, stream, settings)
        from detcli.cli.detect.table import DetectionTable

        return DetectionTable(
            stream,
            settings.info.labels,
            width=self._console.width(sys.stdout),
            color=self._console.uses_color(sys.stdout),
            encoding=sys.stdout.encoding,
            tracks=settings.tracks,
        )


class _AboveProgressLine:
    """Standard output while the progress line is on the same terminal: the line is off the screen during each write."""

    def __init__(self, stream: BinaryIO, console: Console) -> None:
        self._stream, self._console = stream, console

    def write(self, data: bytes) -> int:
        """Write all of it, and show it."""

        def write() -> int:
            count = self._stream.write(data)
            self._stream.flush()
            return count

        written: int = self._console.above(write)
        return written

    def flush(self) -> None:
        """Do nothing: it is shown already."""

    def fileno(self) -> int:
        """Of the wrapped stream."""
        return self._stream.fileno()
