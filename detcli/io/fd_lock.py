"""A lock on an open file, as each system has it."""

import errno
import os
import sys
from pathlib import Path

from detcli.errors import OutputError


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


if sys.platform == "win32":
    import msvcrt

    _FAR_BEHIND = 1 << 62  # locked bytes cannot be read, so the lock stands where no byte ever is

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR_BEHIND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
