"""Streams as outputs: a pipe, `/dev/stdout` or a device, which can be neither renamed nor truncated."""

import os
import select
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from detcli.io.atomic_write import os_errors_as_output_errors

_RETRY_S = 0.01  # between attempts to write, where a full pipe cannot be waited for


class StreamOutput:
    """A pipe, a terminal or a device.

    BrokenPipeError is not changed: the reader has ended, which is not an error of the output.

    owned  close the stream at the end
    """

    def __init__(self, stream: BinaryIO, name: str, *, owned: bool = False) -> None:
        self._stream = stream
        self._name = name
        self._owned = owned
        self._buffer = bytearray()

    def write(self, data: bytes) -> None:
        """Add one record."""
        self._buffer += data
        if len(self._buffer) >= 1 << 16:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        waiting, self._buffer = self._buffer, bytearray()
        with os_errors_as_output_errors(self._name):
            write_all(self._stream, waiting)

    def commit(self, *, complete: bool = True) -> None:
        """Write the rest."""
        self.flush()
        if self._owned:
            with os_errors_as_output_errors(self._name):
                self._stream.close()

    def discard(self) -> None:
        """Discard what is buffered."""
        self._buffer.clear()
        if self._owned:
            with suppress(OSError):
                self._stream.close()


def is_stream(path: Path) -> bool:
    """Whether the path is a stream: a pipe, a device, `/dev/stdout`, `/dev/fd/3`."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def open_stream(path: Path) -> BinaryIO:
    """A stream, opened for writing. Raises OutputError."""
    with os_errors_as_output_errors(path):
        number = _descriptor(path)
        if number is not None:  # the same open file, so that redirections keep their position
            return os.fdopen(os.dup(number), "wb", buffering=0)
        return path.open("wb", buffering=0)


def write_all(stream: BinaryIO, data: bytes | bytearray) -> None:
    """Write every byte, also to a pipe that takes only a part, or that its other end made non-blocking."""
    with memoryview(data) as rest:
        done = 0
        while done < len(rest):
            with rest[done:] as waiting:
                try:
                    count = stream.write(waiting)
                except BlockingIOError as busy:
                    count = busy.characters_written
            if not count:
                _wait_until_writable(stream)
            done += count or 0
    while True:
        try:
            return stream.flush()
        except BlockingIOError:
            _wait_until_writable(stream)


def _wait_until_writable(stream: BinaryIO) -> None:
    """Wait until the reader of a pipe has taken some bytes, or for a moment where the system cannot report that."""
    if sys.platform == "win32":  # its select knows only sockets
        time.sleep(_RETRY_S)
    else:
        select.select([], [stream], [], 1.0)


def _descriptor(path: Path) -> int | None:
    """The open file descriptor that a path means, as `/dev/stdout` and `/dev/fd/3` do."""
    text = path.as_posix()
    if text in ("/dev/stdout", "/dev/stderr"):
        return 1 if text.endswith("out") else 2
    folder, _, number = text.rpartition("/")
    return int(number) if folder in ("/dev/fd", "/proc/self/fd") and number.isdecimal() else None
