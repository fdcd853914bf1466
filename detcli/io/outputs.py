"""Where results go: a file that appears whole, a file that grows by whole pieces, or a stream that is written through.

What is no file (a pipe, `/dev/stdout`, a device) can be neither renamed nor cut, so bytes flow through it.
"""

import os
import select
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from detcli.errors import OutputError
from detcli.io.atomic_write import AtomicFile, os_errors_as_output_errors
from detcli.io.fd_lock import lock

IfExists = Literal["error", "overwrite", "skip"]


class OutputFile(Protocol):
    """Somewhere bytes go: each `write` hands over one whole piece (a line, a row), never a part of one."""

    def write(self, data: bytes) -> None:
        """Take one piece. Raises OutputError, or BrokenPipeError where the reader of a stream is gone."""

    def flush(self) -> None:
        """Hand on what is buffered, where a reader can see it before the end."""

    def commit(self) -> None:
        """Finish: everything written is there, safe on the disk where it is a file."""

    def discard(self) -> None:
        """Give up: nothing torn stays behind. Safe after `commit`, and twice."""


def open_output(target: Path | BinaryIO, *, in_place: bool) -> OutputFile:
    """Open what suits the target: a stream is written through; a file grows in place, or appears whole at the end.

    A lock keeps two runs from the same file.
    """
    if not isinstance(target, Path):
        return StreamOutput(target, "standard output")
    if is_stream(target):
        return StreamOutput(_open_stream(target), str(target), owned=True)
    return GrowingFile(target) if in_place else AtomicFile(target, locked=True)


def prepare_output(
    path: Path,
    *,
    if_exists: IfExists = "error",
    folder: bool = False,
    journal: Path | None = None,
    resume: bool = False,
    resumable: bool = True,
) -> bool:
    """Whether to write to an output: False where it exists and is to be left as it is. Touches nothing.

    folder     it is a folder of many files: one that is empty does not exist yet, and `skip` is up to each file
    journal    where the journal of the run stands, if it has one
    resume     continue with the interrupted run that left the journal
    resumable  whether such a run can be continued at all

    Raises OutputError for what exists and may be neither replaced nor continued, naming the flags that would.
    """
    if not folder and is_stream(path):
        return True
    with os_errors_as_output_errors(journal or path):
        interrupted = journal is not None and journal.exists()
    with os_errors_as_output_errors(path):
        if not path.exists() or (resume and interrupted):
            return True
        if path.is_dir() != folder:
            raise OutputError(f"cannot write '{path}': it is {'a folder' if path.is_dir() else 'a file'}")
        if folder and all(entry.name.startswith(".") for entry in path.iterdir()):
            return True
    if if_exists == "skip":
        return folder
    if if_exists == "error":
        raise OutputError(_exists(path, folder=folder, interrupted=interrupted, resume=resume, resumable=resumable))
    return True


class GrowingFile:
    """A file that is readable while it grows: what stands in it after each `flush` is whole pieces.

    A write that fails (the disk is full) is taken back to the last flush.

    append  continue after what is there, which the caller has locked; else the file is locked, and emptied
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self.path = path
        with os_errors_as_output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO | None = path.open("ab", buffering=0)
            if not append:
                self._empty()
            self._whole = self._file.seek(0, os.SEEK_END)
        self._buffer = bytearray()

    def fileno(self) -> int:
        """The descriptor, to lock it."""
        return self._open_file().fileno()

    def write(self, data: bytes) -> None:
        """Take one piece."""
        self._buffer += data
        if len(self._buffer) >= 1 << 20:
            self.flush()

    def flush(self) -> None:
        """Write the pieces taken so far, all or none of them."""
        if not self._buffer:
            return
        file = self._open_file()
        try:
            with os_errors_as_output_errors(self.path):
                _write_all(file, self._buffer)
        except OutputError:
            self.discard()
            raise
        self._whole += len(self._buffer)
        self._buffer.clear()

    def commit(self) -> None:
        """Write the rest and wait until the disk has it."""
        self.flush()
        file, self._file = self._open_file(), None
        with os_errors_as_output_errors(self.path), file:
            os.fsync(file.fileno())

    def discard(self) -> None:
        """Close with the pieces that were flushed, and no part of another one."""
        self._buffer.clear()
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError), file:
                file.truncate(self._whole)

    def _empty(self) -> None:
        file = self._open_file()
        try:
            lock(file.fileno(), self.path)
            file.truncate(0)
        except BaseException:
            file.close()
            raise

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"'{self.path}' is closed already")
        return self._file


class StreamOutput:
    """A pipe, a terminal or a device: written through, piece by piece, at each flush.

    BrokenPipeError passes through as it is: the reader is gone, which is no failure of the output.

    owned  close it at the end
    """

    def __init__(self, stream: BinaryIO, name: str, *, owned: bool = False) -> None:
        self._stream = stream
        self._name = name
        self._owned = owned
        self._buffer = bytearray()

    def write(self, data: bytes) -> None:
        """Take one piece."""
        self._buffer += data
        if len(self._buffer) >= 1 << 16:
            self.flush()

    def flush(self) -> None:
        """Hand the pieces on."""
        waiting, self._buffer = self._buffer, bytearray()
        with os_errors_as_output_errors(self._name):
            _write_all(self._stream, waiting)

    def commit(self) -> None:
        """Hand on the rest."""
        self.flush()
        if self._owned:
            with os_errors_as_output_errors(self._name):
                self._stream.close()

    def discard(self) -> None:
        """Drop what was not handed on yet."""
        self._buffer.clear()
        if self._owned:
            with suppress(OSError):
                self._stream.close()


def is_stream(path: Path) -> bool:
    """True where the path names something that bytes flow through: a pipe, a device, `/dev/stdout`, `/dev/fd/3`."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _exists(path: Path, *, folder: bool, interrupted: bool, resume: bool, resumable: bool) -> str:
    what = f"the folder '{path}' is not empty" if folder else f"'{path}' exists"
    if resume:
        return f"{what}, and there is no interrupted run to resume; --if-exists overwrite (or -y) runs it again"
    if not resumable:
        return f"{what}: --if-exists overwrite (or -y) replaces"
    why = ", from a run that was interrupted or still continues" if interrupted else ""
    return f"{what}{why}: --if-exists overwrite (or -y) replaces, --resume continues with an interrupted run"


def _write_all(stream: BinaryIO, data: bytes | bytearray) -> None:
    """Write every byte, also to a pipe that takes a part only or was made non-blocking by its other end."""
    with memoryview(data) as rest:
        done = 0
        while done < len(rest):
            with rest[done:] as waiting:
                try:
                    count = stream.write(waiting)
                except BlockingIOError as busy:
                    count = busy.characters_written
            if not count:
                _wait_for_room(stream)
            done += count or 0
    while True:
        try:
            return stream.flush()
        except BlockingIOError:
            _wait_for_room(stream)


def _wait_for_room(stream: BinaryIO) -> None:
    select.select([], [stream], [], 1.0)


def _descriptor(path: Path) -> int | None:
    """The number of an open descriptor that the path stands for, as in `/dev/stdout` and `/dev/fd/3`."""
    text = path.as_posix()
    if text in ("/dev/stdout", "/dev/stderr"):
        return 1 if text.endswith("out") else 2
    folder, _, number = text.rpartition("/")
    return int(number) if folder in ("/dev/fd", "/proc/self/fd") and number.isdecimal() else None


def _open_stream(path: Path) -> BinaryIO:
    with os_errors_as_output_errors(path):
        number = _descriptor(path)
        if number is not None:  # the same open file: redirections keep their place in it
            return os.fdopen(os.dup(number), "wb", buffering=0)
        return path.open("wb", buffering=0)
