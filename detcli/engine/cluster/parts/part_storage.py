"""Where the parts of a run are: a folder on a disk, or a prefix of an object store. Both hold the same files."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from detcli.errors import ImageError, OutputError, StoreError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.locks.file_lock import FileLock
from detcli.io.remote.background_calls import AheadCall, BackgroundCalls
from detcli.io.remote.store_path import StorePath

_AHEAD: Final = 32  # objects that are read before they are needed
_LOCK: Final = "run.lock"
_MAX_BYTES: Final = 1 << 32  # of a part that is read: far more than one has


class PartStorage(Protocol):
    """Files by name. All methods raise OutputError.

    locks  whether it is this run's alone: no other run can use it until `close`
    """

    locks: bool

    def names(self) -> list[str]:
        """The names of all files."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def write(self, name: str, data: bytes) -> None:
        """Write a complete file, or nothing."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are gone already are no error."""

    def close(self, *, remove: bool) -> None:
        """Let other runs use it; with `remove`, it goes if it is empty."""


class DiskStorage:
    """A folder, which is made and locked."""

    locks = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path / _LOCK)

    def names(self) -> list[str]:
        """The names of all files."""
        return names_of(self._path)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self._path / name).exists()

    def write(self, name: str, data: bytes) -> None:
        """Write a complete file, or nothing."""
        write_atomically(self._path / name, data, durable=False)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are gone already are no error."""
        remove_files(self._path, names)

    def close(self, *, remove: bool) -> None:
        """Release the lock; with `remove`, the folder goes if it is empty."""
        if not remove:
            self._lock.release()
            return
        self._lock.remove()
        with suppress(OSError):  # files of others stay
            self._path.rmdir()


class ObjectStorage:
    """A prefix of an object store, which has no locks."""

    locks = False

    def __init__(self, path: StorePath) -> None:
        self._path = path
        self._known: set[str] = set()

    def names(self) -> list[str]:
        """The names of all objects directly below the prefix."""
        names = names_of(self._path)
        self._known = set(names)
        return names

    def has(self, name: str) -> bool:
        """Whether there is such an object; those that were listed are not asked for again."""
        return name in self._known or exists(self._path / name)

    def write(self, name: str, data: bytes) -> None:
        """Write a complete object, or nothing."""
        write_atomically(self._path / name, data)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone already are no error."""
        removed = list(names)
        remove_files(self._path, removed)
        self._known.difference_update(removed)

    def close(self, *, remove: bool) -> None:
        """Do nothing: a prefix is gone with its last object."""


class PartsReadAhead:
    """Reads objects in their order, each before it is needed: a resumed run reads all parts of the interrupted one.

    paths  of the objects, in the order in which they are needed
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        calls = BackgroundCalls(_AHEAD)
        self._calls = {path: AheadCall(partial(read_file, path), calls) for path in paths}

    def read(self, path: Path) -> bytes | None:
        """The content of an object, once; None for others. Raises OutputError."""
        call = self._calls.get(path)
        for ahead in islice(self._calls.values(), _AHEAD):
            ahead.start()
        return None if call is None else self._calls.pop(path)()


def storage_of(path: Path) -> PartStorage:
    """The storage at a path. Raises OutputError where another run has its lock."""
    return ObjectStorage(path) if isinstance(path, StorePath) else DiskStorage(path)


def names_of(folder: Path) -> list[str]:
    """The names of the files in a folder, or of the objects directly below a prefix. Raises OutputError."""
    if not isinstance(folder, StorePath):
        with os_errors_as_output_errors(folder):
            return [entry.name for entry in folder.iterdir()]
    from detcli.io.remote.listing import list_objects  # takes a part of the start-up
    from detcli.io.remote.write_objects import output_error

    try:
        return [found.below for found in list_objects(folder.address, recursive=False)]
    except ImageError as error:
        raise output_error(folder.address, error) from None


def exists(path: Path) -> bool:
    """Whether there is such a file or object. Raises OutputError where a store does not tell."""
    if not isinstance(path, StorePath):
        return path.exists()
    from detcli.io.remote.write_objects import object_exists

    return object_exists(path.address)


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder, or objects of a prefix; those that are gone already are no error. Raises OutputError."""
    if isinstance(folder, StorePath):
        from detcli.io.remote.write_objects import remove_objects

        remove_objects([str(folder / name) for name in names])
        return
    with os_errors_as_output_errors(folder):
        for name in names:
            (folder / name).unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """The content of a file or an object; b"" where it is missing. Raises OutputError."""
    if not isinstance(path, StorePath):
        with os_errors_as_output_errors(path):
            return path.read_bytes() if path.exists() else b""
    from detcli.io.remote.read_objects import read_object

    try:
        return read_object(path.address, max_bytes=_MAX_BYTES)
    except ImageError as error:
        if error.code == "empty" or (isinstance(error, StoreError) and error.absent):
            return b""
        raise OutputError(f"cannot read '{path}': {error}") from None
