"""Files that come out whole or not at all: written next to their place, then renamed into it."""

import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from detcli.errors import OutputError
from detcli.io.fd_lock import lock

_OLD_OR_NEW = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_NEW = _OLD_OR_NEW | os.O_EXCL


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a whole file or nothing; parents are made. Raises OutputError.

    durable  wait until the disk has it; False saves milliseconds a file where a power cut may cost the last few
    """
    with AtomicFile(path, durable=durable) as file:
        file.write(data)


class AtomicFile:
    """A file that appears under its name in one step, whole, when it is committed; until then the old one stays.

    path     where it goes; parents are made; of a symbolic link the target is replaced and the link stays
    durable  `commit` waits until the disk has it
    locked   nobody else writes this file at the same time, which is an OutputError: what is being written then has a
             name that stays the same, and takes the place of what a killed run left behind

    As a context manager it commits at the end of the block and discards on an exception.
    Raises OutputError wherever the file system refuses.
    """

    def __init__(self, path: Path, *, durable: bool = True, locked: bool = False) -> None:
        self.path = path
        self._durable, self._locked = durable, locked
        with os_errors_as_output_errors(path):
            self._place = path.resolve() if path.is_symlink() else path
            if self._place.exists() and not self._place.is_file():
                kind = errno.EISDIR if self._place.is_dir() else errno.EEXIST
                raise OSError(kind, os.strerror(kind))
            self._place.parent.mkdir(parents=True, exist_ok=True)
            # Short and hidden: no longer than any name a file system takes, skipped by those who walk the folder.
            tag = hashlib.sha256(os.fsencode(self._place.name)).hexdigest()[:16] if locked else secrets.token_hex(8)
            self._temporary = self._place.parent / f".detcli-{tag}.part"
            descriptor = _open_alone(self._temporary, path) if locked else os.open(self._temporary, _NEW, 0o666)
            self._file: BinaryIO | None = os.fdopen(descriptor, "wb")
            _keep_mode(self._place, self._temporary)

    def write(self, data: bytes) -> None:
        """Add bytes; nobody sees them yet."""
        with self._or_nothing():
            self._open_file().write(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place in it, for formats whose beginning is known last."""
        with self._or_nothing():
            return self._open_file().seek(offset, whence)

    def tell(self) -> int:
        """The place in it."""
        return self._open_file().tell()

    def flush(self) -> None:
        """Do nothing: what is not committed is nobody's yet."""

    def commit(self) -> None:
        """Put the file in its place."""
        file = self._open_file()
        with self._or_nothing():
            file.flush()
            if self._durable:
                os.fsync(file.fileno())
            if not self._locked or sys.platform == "win32":  # where an open file stays
                file.close()
            self._temporary.replace(self._place)
            self._file = None
            file.close()  # and with it its lock
        if self._durable:
            _sync_folder(self._place.parent)

    def discard(self) -> None:
        """Remove what was written; the file that was there before stays."""
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
    def _or_nothing(self) -> Iterator[None]:
        try:
            with os_errors_as_output_errors(self.path):
                yield
        except BaseException:
            self.discard()
            raise

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"'{self.path}' is committed or discarded already")
        return self._file


def _open_alone(temporary: Path, path: Path) -> int:
    """Open and empty a file that nobody else may write now, on the way to a path. Raises OutputError, OSError."""
    while True:
        descriptor = os.open(temporary, _OLD_OR_NEW, 0o666)
        try:
            lock(descriptor, path)
            with suppress(FileNotFoundError):  # else whoever had the lock put the file in its place meanwhile
                if os.path.samestat(os.fstat(descriptor), temporary.lstat()):
                    os.ftruncate(descriptor, 0)
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def os_errors_as_output_errors(name: Path | str) -> Iterator[None]:
    """Turn what the system refuses into an OutputError that says so; a broken pipe stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(name, error) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise OutputError(f"cannot write '{name}': a name holds no null character") from error
    except RuntimeError as error:  # Path.resolve before Python 3.13
        if "loop" not in str(error):
            raise
        raise OutputError(f"cannot write '{name}': {_REASONS[errno.ELOOP]}") from error


def output_error(path: Path | str, error: OSError) -> OutputError:
    """The sentence for what a file system refused."""
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return OutputError(f"cannot write '{path}': {reason}")


def to_bytes(text: str) -> bytes:
    """Text as UTF-8, bytes of a file name that are not UTF-8 as they were; never raises."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, from a file name of Windows or from JSON
        return text.encode("utf-8", "replace")


_REASONS = {
    errno.ENOSPC: "the disk is full; make room and run again",
    getattr(errno, "EDQUOT", errno.ENOSPC): "the disk quota is used up; make room and run again",
    errno.EFBIG: "it grows larger than the file system or a limit of this session (ulimit -f) allows",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EEXIST: "something else stands in the way",
    errno.ELOOP: "its symbolic links run in a circle",
    errno.EMFILE: "too many files are open (ulimit -n)",
    errno.EIO: "the disk reports an error",
}


def _keep_mode(old: Path, new: Path) -> None:
    with suppress(OSError):
        if old.exists():
            new.chmod(stat.S_IMODE(old.stat().st_mode))


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where folders can be opened (not on Windows)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
