"""One run at a time: a lock on a file that the system lets go of when the process ends, however it ends."""

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from detcli.errors import OutputError
from detcli.files.writing import told


def lock(descriptor: int, path: Path) -> None:
    """Lock an open file until it is closed.

    Only those who ask for the lock are kept out (it is advisory). On a file system without locks, as some network
    ones are, it is taken for granted.
    Raises OutputError where somebody else holds it.
    """
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise OutputError(f"'{path}' is locked: another run writes there; wait for it to end") from error


class FileLock:
    """The right to a file, held until `release`; the file is made where it is missing. Raises OutputError as `lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        while True:
            with told(path):
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
        with suppress(FileNotFoundError), told(self.path):
            self.path.unlink()
        self.release()

    def _still_there(self) -> bool:
        assert self._descriptor is not None  # noqa: S101 - just opened
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    _FAR_BEHIND = 1 << 62  # locked bytes cannot be read, so the lock stands where no byte ever is

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR_BEHIND, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
