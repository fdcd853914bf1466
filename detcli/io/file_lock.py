"""One run at a time: a lock on a file that the system lets go of when the process ends, however it ends."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.fd_lock import lock


class FileLock:
    """The right to a file, held until `release`; the file is made where it is missing. Raises OutputError as `lock`."""

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
            if self._still_there():
                return
            self.release()  # whoever held it removed the file before it let go: a new one is to be locked

    @property
    def held(self) -> bool:
        """True until it is let go."""
        return self._descriptor is not None

    def release(self) -> None:
        """Let go; safe twice."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file and let go, so that nobody locks a file that is about to vanish."""
        if self._descriptor is None:
            return
        if sys.platform == "win32":  # where an open file stays
            self.release()
        with suppress(FileNotFoundError), os_errors_as_output_errors(self.path):
            self.path.unlink()
        self.release()

    def _still_there(self) -> bool:
        assert self._descriptor is not None  # noqa: S101 - just opened
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False
