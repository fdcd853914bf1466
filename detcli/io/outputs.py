"""Output files: an atomic file, a file that grows by complete records, or a stream.

A pipe, `/dev/stdout` or a device is a stream: it can be neither renamed nor truncated.
"""

import os
import select
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from detcli.errors import OutputError
from detcli.io.atomic_write import AtomicFile, keep_mode, open_locked, os_errors_as_output_errors, temporary_path
from detcli.io.fd_lock import lock
from detcli.io.output_paths import has_visible_files

IfExists = Literal["error", "overwrite", "skip"]

_RETRY_S = 0.01  # between attempts to write, where a full pipe cannot be waited for


class OutputFile(Protocol):
    """A destination of bytes: each `write` passes complete records (lines, rows), never a part of one."""

    def write(self, data: bytes) -> None:
        """Write one record. Raises OutputError, or BrokenPipeError if the reader of a stream has ended."""

    def flush(self) -> None:
        """Write what is buffered, if a reader can see it before the end."""

    def commit(self) -> None:
        """Finish; a file is then complete and on the disk."""

    def discard(self) -> None:
        """Stop without leaving a partial record. Safe after `commit`, and twice."""


def open_output(target: Path | BinaryIO, *, in_place: bool, never_empty: bool = False) -> OutputFile:
    """Open the output for a target: a stream, a file that grows in place, or a file that appears at the end.

    A file is locked, so that two runs never write to it at the same time.

    never_empty  a file that grows in place appears with its first records; until then, an old file stays
    """
    if not isinstance(target, Path):
        return StreamOutput(target, "standard output")
    if is_stream(target):
        return StreamOutput(_open_stream(target), str(target), owned=True)
    return GrowingFile(target, never_empty=never_empty) if in_place else AtomicFile(target, locked=True)


def prepare_output(
    path: Path,
    *,
    if_exists: IfExists = "error",
    folder: bool = False,
    journal: Path | None = None,
    resume: bool = False,
    resumable: bool = True,
) -> bool:
    """Check an output before the run; returns False if it exists and is skipped. Changes nothing.

    folder     the output is a folder of files: an empty folder counts as missing, and `skip` applies to each file
    journal    path of the journal of the run, if it has one
    resume     continue the interrupted run that left the journal
    resumable  runs with this output can be resumed

    Raises OutputError if the output exists and may be neither replaced nor resumed.
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
        if folder and not has_visible_files(path):
            return True
    if if_exists == "skip":
        return folder
    if if_exists == "error":
        raise OutputError(_exists(path, folder=folder, interrupted=interrupted, resume=resume, resumable=resumable))
    return True


class GrowingFile:
    """A file that can be read while it grows: after each `flush` it has complete records only.

    After a failed write (a full disk), the file is truncated to the last flush.

    append       append to the content, and the caller has the lock; otherwise the file is locked and emptied
    never_empty  the file has a temporary name until the first flush, and an old file stays until then; on Windows, which
                 cannot rename an open file, it is emptied at once, and removed by `discard` if it is still empty
    """

    def __init__(self, path: Path, *, append: bool = False, never_empty: bool = False) -> None:
        self.path, self._never_empty = path, never_empty
        self._renames: tuple[Path, Path] | None = None  # temporary and final path, until the first flush
        self._old: BinaryIO | None = None
        with os_errors_as_output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if never_empty and sys.platform != "win32":
                self._file: BinaryIO | None = self._open_hidden()
            else:
                self._file = path.open("ab", buffering=0)
                if not append:
                    self._empty()
            self._flushed_size = self._file.seek(0, os.SEEK_END)
        self._buffer = bytearray()

    def fileno(self) -> int:
        """The file descriptor, for a lock."""
        return self._open_file().fileno()

    def write(self, data: bytes) -> None:
        """Add one record."""
        self._buffer += data
        if len(self._buffer) >= 1 << 20:
            self.flush()

    def flush(self) -> None:
        """Write the records added so far, all of them or none."""
        if not self._buffer:
            return
        file = self._open_file()
        try:
            with os_errors_as_output_errors(self.path):
                _write_all(file, self._buffer)
                if self._renames is not None:
                    self._renames[0].replace(self._renames[1])
                    self._end_renaming()
        except OutputError:
            self.discard()
            raise
        self._flushed_size += len(self._buffer)
        self._buffer.clear()

    def commit(self) -> None:
        """Write the rest, and wait until the file is on the disk."""
        self.flush()
        if self._renames is not None:  # nothing was written
            self.discard()
            return
        file, self._file = self._open_file(), None
        with os_errors_as_output_errors(self.path), file:
            os.fsync(file.fileno())

    def discard(self) -> None:
        """Close the file with the records that were flushed."""
        self._buffer.clear()
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError), file:
                file.truncate(self._flushed_size)
            if self._never_empty and not self._flushed_size:
                with suppress(OSError):
                    (self.path if self._renames is None else self._renames[0]).unlink()
            self._end_renaming()

    def _open_hidden(self) -> BinaryIO:
        """Open and lock the temporary file, then lock the old file: a run that has renamed its own file has that lock."""
        target = self.path.resolve() if self.path.is_symlink() else self.path
        temporary = temporary_path(target, fixed=True)
        descriptor = open_locked(temporary, self.path)
        try:
            with suppress(FileNotFoundError):
                self._old = os.fdopen(os.open(target, os.O_WRONLY), "wb", buffering=0)
                lock(self._old.fileno(), self.path)
                keep_mode(target, temporary)
        except BaseException:
            os.close(descriptor)
            temporary.unlink()
            self._end_renaming()
            raise
        self._renames = temporary, target
        return os.fdopen(descriptor, "ab", buffering=0)

    def _end_renaming(self) -> None:
        self._renames = None
        if self._old is not None:
            self._old.close()
            self._old = None

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
            raise ValueError(f"'{self.path}' is already closed")
        return self._file


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
            _write_all(self._stream, waiting)

    def commit(self) -> None:
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


def _exists(path: Path, *, folder: bool, interrupted: bool, resume: bool, resumable: bool) -> str:
    what = f"the folder '{path}' is not empty" if folder else f"'{path}' exists"
    if resume:
        return f"{what}, and there is no interrupted run to resume; `if_exists=overwrite` runs it again"
    if not resumable:
        return f"{what}: `if_exists=overwrite` replaces it"
    reason = ", from a run that was interrupted or is still running" if interrupted else ""
    return f"{what}{reason}: `if_exists=overwrite` replaces it, `resume` continues an interrupted run"


def _write_all(stream: BinaryIO, data: bytes | bytearray) -> None:
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


def _open_stream(path: Path) -> BinaryIO:
    with os_errors_as_output_errors(path):
        number = _descriptor(path)
        if number is not None:  # the same open file, so that redirections keep their position
            return os.fdopen(os.dup(number), "wb", buffering=0)
        return path.open("wb", buffering=0)
