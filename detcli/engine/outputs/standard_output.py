"""Standard output as the caller of a run provides it."""

from typing import BinaryIO, Protocol

from detcli.sinks.sink import Sink, SinkSettings, sink_class

__all__ = ["TABLE", "Sink", "SinkSettings", "StandardOutput", "open_on_stream"]

TABLE = "table"  # the human-readable format, for standard output only


class StandardOutput(Protocol):
    """Opens sinks on standard output; without it, a run writes to files only."""

    @property
    def default_format(self) -> str:
        """The format where none is named: "jsonl", or "table" on a terminal."""

    def check(self, *, binary: bool) -> None:
        """Raise OutputError where it cannot be written, and UsageError where it is a terminal and the format is binary."""

    def open(self, format_name: str, settings: SinkSettings) -> Sink:
        """A sink that writes this format; "table" is the human-readable one."""


def open_on_stream(format_name: str, stream: BinaryIO, settings: SinkSettings) -> Sink:
    """A sink of a result format that writes to an open binary stream."""
    return sink_class(format_name)(stream, settings)
