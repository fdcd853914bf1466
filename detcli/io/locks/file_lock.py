"""A lock on a file, which the system releases when the process ends."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.locks.fd_lock import lock


class FileLock:
    """An exclusive lock on a file, held until `release`; a missing file is created. Raises OutputError as `lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        while True:
            with os_errors_as_output_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                lock(self._descriptor, path)
            except OutputError:
                self.release()
                raise
            if self._still_exists():
                return
            self.release()  # the process with the lock removed the file: lock a new one

    @property
    def held(self) -> bool:
        """Whether the lock is held."""
        return self._descriptor is not None

    def release(self) -> None:
        """Release the lock; safe twice."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file, then release the lock, so that no process locks a removed file."""
        if self._descriptor is None:
            return
        if sys.platform == "win32":  # which cannot remove an open file
            self.release()
        with suppress(FileNotFoundError), os_errors_as_output_errors(self.path):
            self.path.unlink()
        self.release()

    def _still_exists(self) -> bool:
        assert self._descriptor is not None  # noqa: S101 - just opened
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False
