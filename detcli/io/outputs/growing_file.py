"""A file that grows by complete records."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from detcli.errors import OutputError
from detcli.io.atomic_write import keep_mode, open_locked, os_errors_as_output_errors, temporary_path
from detcli.io.locks.fd_lock import lock
from detcli.io.outputs.stream_output import write_all


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
                write_all(file, self._buffer)
                if self._renames is not None:
                    self._renames[0].replace(self._renames[1])
                    self._end_renaming()
        except OutputError:
            self.discard()
            raise
        self._flushed_size += len(self._buffer)
        self._buffer.clear()

    def commit(self, *, complete: bool = True) -> None:
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
