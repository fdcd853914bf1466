"""Faults of the machine and of the installation that reach the command line as exceptions of other libraries."""

import errno
import os
from types import MappingProxyType

from detcli.errors import DetcliError, DeviceError, OutputError
from detcli.libraries import lacks_memory, library_error

_NEEDED_MEMORY = 1_000_000_000  # bytes of addresses that Python, torch and a small model take together
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Errors of the file system on a named file: never a bug in detcli.
_FILE_ERRORS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.ESTALE)
_LIMITS = MappingProxyType(
    {
        errno.EMFILE: "too many files are open (ulimit -n)",
        errno.ENFILE: "too many files are open on this machine",
        errno.ENOMEM: "out of memory",
        errno.EAGAIN: "no more processes or threads can be started (ulimit -u, or the limit of the container)",
    }
)
_NO_THREAD = "can't start new thread"


def fault_of(error: BaseException) -> DetcliError | None:
    """The error with a sentence and an exit code for a fault of the machine or the installation; None for other errors."""
    if isinstance(error, MemoryError):
        return DeviceError(_out_of_memory(), out_of_memory=True)
    text = str(error).lower()
    if isinstance(error, RuntimeError) and _NO_THREAD in text:
        return DeviceError(f"{_LIMITS[errno.EAGAIN]}: detcli needs a few threads")
    if lacks_memory(error):
        return DeviceError(_out_of_memory(), out_of_memory=True)
    if isinstance(error, OSError):
        fault = _os_fault(error)
        if fault is not None:
            return fault
    return library_error(error)


def check_memory_limit() -> None:
    """Raise DeviceError if this process may not take the memory that torch needs: its libraries would abort."""
    limit = _address_limit()
    if limit is not None and limit < _NEEDED_MEMORY:
        raise DeviceError(
            f"this process may use {limit / 1e9:.1f} GB of memory (ulimit -v), and detcli needs at least "
            f"{_NEEDED_MEMORY / 1e9:.0f} GB"
        )


def _os_fault(error: OSError) -> DetcliError | None:
    if error.errno in _NO_SPACE:
        return OutputError(f"cannot write: {os.strerror(error.errno or 0)}")
    if error.errno in _LIMITS:
        return DeviceError(_LIMITS[error.errno or 0])
    if error.errno in _FILE_ERRORS and error.filename is not None:
        name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
        return OutputError(f"cannot use '{name}': {error.strerror}")
    return None


def _out_of_memory() -> str:
    limit = _address_limit()
    return "out of memory" if limit is None else f"out of memory: this process may use {limit / 1e9:.1f} GB (ulimit -v)"


def _address_limit() -> int | None:
    """The largest address space of this process in bytes; None if it is not limited."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit
