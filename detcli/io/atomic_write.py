"""Atomic files: written under a temporary name in the same folder, then renamed."""

import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from detcli.errors import OutputError
from detcli.io.locks.fd_lock import lock
from detcli.io.remote.store_path import StorePath

_CREATE = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_CREATE_NEW = _CREATE | os.O_EXCL


def write_atomically(
    path: Path,
    data: bytes,
    *,
    durable: bool = True,
    before_rename: Callable[[os.stat_result], None] | None = None,
    follow_links: bool = True,
) -> None:
    """Write a complete file, or an object of an object store, or nothing; parent folders are created. Raises OutputError.

    durable        wait until the file is on the disk; False saves milliseconds per file, but a power cut may lose the
                   last ones
    before_rename  called with the state of the complete file before it gets its name
    follow_links   if the path is a symbolic link, its target is replaced; False: the link itself
    """
    if isinstance(path, StorePath):
        from detcli.io.remote.write_objects import write_object  # takes a part of the start-up

        write_object(path.address, data)
        return
    with AtomicFile(path, durable=durable, before_rename=before_rename, follow_links=follow_links) as file:
        file.write(data)


class AtomicFile:
    """A file that appears under its name in one step when it is committed; until then, an old file stays.

    path     path of the file; parent folders are created
    durable  `commit` waits until the file is on the disk
    locked   a second writer of the same file gets an OutputError; the temporary file then has a fixed name, so that it
             replaces the one that a killed run left
    before_rename  called with the state of the complete file before it gets its name; what it raises ends the commit
    follow_links   if the path is a symbolic link, its target is replaced; False: the link itself

    As a context manager it commits at the end of the block, and discards after an exception.
    Raises OutputError for every error of the file system.
    """

    def __init__(
        self,
        path: Path,
        *,
        durable: bool = True,
        locked: bool = False,
        before_rename: Callable[[os.stat_result], None] | None = None,
        follow_links: bool = True,
    ) -> None:
        self.path, self._before_rename = path, before_rename
        self._durable, self._locked = durable, locked
        with os_errors_as_output_errors(path):
            follows = follow_links and path.is_symlink()
            self._target = path.resolve() if follows else path
            replaces_link = self._target.is_symlink()  # of a folder too: only the link goes
            if not replaces_link and self._target.exists() and not self._target.is_file():
                kind = errno.EISDIR if self._target.is_dir() else errno.EEXIST
                raise OSError(kind, os.strerror(kind))
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = temporary_path(self._target, fixed=locked)
            descriptor = open_locked(self._temporary, path) if locked else os.open(self._temporary, _CREATE_NEW, 0o666)
            self._file: BinaryIO | None = os.fdopen(descriptor, "wb")
            if not replaces_link:
                keep_mode(self._target, self._temporary)

    def write(self, data: bytes) -> None:
        """Add bytes; they are not visible before `commit`."""
        with self._discarding_on_error():
            self._open_file().write(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, for formats whose header is written last."""
        with self._discarding_on_error():
            return self._open_file().seek(offset, whence)

    def tell(self) -> int:
        """The current position."""
        return self._open_file().tell()

    def flush(self) -> None:
        """Do nothing: the file is not visible before `commit`."""

    def commit(self, *, complete: bool = True) -> None:
        """Rename the file to its final name."""
        file = self._open_file()
        with self._discarding_on_error():
            file.flush()
            if self._durable:
                os.fsync(file.fileno())
            if not self._locked or sys.platform == "win32":  # which cannot rename an open file
                file.close()
            if self._before_rename is not None:
                self._before_rename(self._temporary.stat())
            self._temporary.replace(self._target)
            self._file = None
            file.close()  # this releases the lock
        if self._durable:
            _sync_folder(self._target.parent)

    def discard(self) -> None:
        """Remove the temporary file; an old file stays."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            self._temporary.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()

    @contextmanager
    def _discarding_on_error(self) -> Iterator[None]:
        try:
            with os_errors_as_output_errors(self.path):
                yield
        except BaseException:
            self.discard()
            raise

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"'{self.path}' is already committed or discarded")
        return self._file


def temporary_path(target: Path, *, fixed: bool) -> Path:
    """The path of a temporary file next to a file.

    fixed  the same for every run, so that it replaces the one that a killed run left
    """
    # Short and hidden: never too long for a file system, and ignored when folders are listed.
    tag = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16] if fixed else secrets.token_hex(8)
    return target.parent / f".detcli-{tag}.part"


def open_locked(temporary: Path, path: Path) -> int:
    """Open, lock and empty the temporary file of a path; none is left after an error. Raises OutputError and OSError."""
    while True:
        descriptor = os.open(temporary, _CREATE, 0o666)
        try:
            lock(descriptor, path)
        except BaseException:  # another run has it
            os.close(descriptor)
            raise
        try:
            with suppress(FileNotFoundError):  # otherwise, the process with the lock has just renamed the file
                if os.path.samestat(os.fstat(descriptor), temporary.lstat()):
                    os.ftruncate(descriptor, 0)
                    return descriptor
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                temporary.unlink()
            raise
        os.close(descriptor)


@contextmanager
def os_errors_as_output_errors(name: Path | str) -> Iterator[None]:
    """Raise errors of the file system as OutputError with a reason; BrokenPipeError is not changed."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(name, error) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise OutputError(f"cannot write '{name}': a file name cannot contain a null character") from error
    except RuntimeError as error:  # Path.resolve before Python 3.13
        if "loop" not in str(error):
            raise
        raise OutputError(f"cannot write '{name}': {_REASONS[errno.ELOOP]}") from error


def output_error(path: Path | str, error: OSError) -> OutputError:
    """The OutputError for an error of the file system."""
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return OutputError(f"cannot write '{path}': {reason}")


def to_bytes(text: str) -> bytes:
    """Text as UTF-8; bytes of a file name that are not UTF-8 stay the same. Never raises."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, from a file name of Windows or from JSON
        return text.encode("utf-8", "replace")


_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run again",
    getattr(errno, "EDQUOT", errno.ENOSPC): "the disk quota is used up; free some space and run again",
    errno.EFBIG: "it is larger than the file system or the limit of the process (ulimit -f) allows",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "something else has this name",
    errno.ELOOP: "its symbolic links form a loop",
    errno.EMFILE: "too many files are open (ulimit -n)",
    errno.EIO: "the disk reports an error",
}


def keep_mode(old: Path, new: Path) -> None:
    """Give a new file the permissions of the old one, if that exists."""
    with suppress(OSError):
        if old.exists():
            new.chmod(stat.S_IMODE(old.stat().st_mode))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, if folders can be opened (not on Windows)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
