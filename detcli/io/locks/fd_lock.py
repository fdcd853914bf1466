"""Advisory locks on open files, for POSIX and Windows."""

import errno
import os
import sys
from pathlib import Path

from detcli.errors import OutputError


def lock(descriptor: int, path: Path, *, shared: bool = False) -> None:
    """Lock an open file until it is closed.

    shared  others may have a shared lock, too; on Windows, where there is none, the lock is exclusive

    The lock is advisory: it affects only processes that ask for it. File systems without locks, such as some network
    file systems, are treated as if the lock was free. Raises OutputError if another process has the lock.
    """
    try:
        _lock(descriptor, shared=shared)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise OutputError(f"'{path}' is locked: another run writes to it; wait until it ends") from error


if sys.platform == "win32":
    import msvcrt

    _BEHIND_END = 1 << 62  # locked bytes cannot be read, so the lock is far behind the end of the file

    def _lock(descriptor: int, *, shared: bool) -> None:
        os.lseek(descriptor, _BEHIND_END, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
