"""The list of the files that runs wrote into a folder, by which a later run that overwrites the folder removes them.

One line per file: size in bytes, time of the last change in nanoseconds, name (percent-encoded). A line is added before
the file gets its name, so that the list of a killed run is complete. Only regular files below the folder that still
have this size and time are removed; the list may come from a stranger.
"""

import errno
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.locks.fd_lock import lock
from detcli.io.output_paths import OUTPUT_TAG

LIST_NAME = ".detcli-files"
MAX_CHANGED = 1000  # changed files that are counted
_SIGNATURE = b"Signature: detcli written files\n"
_HEADER = (
    _SIGNATURE + b"# Files that detcli wrote: size, time in ns, name. -y removes those that have not changed since.\n"
)
_LINE = re.compile(rb"(\d{1,18}) (-?\d{1,19}) (\S+)\n")
_TEMPORARY = re.compile(r"\.detcli-[0-9a-f]{16}\.part")
_RECENT_S = 60.0  # another run may be writing a temporary file that it does not lock
_MAX_FOLDERS = 1000  # that are searched for temporary files
_MAX_LINE = 1 << 14  # bytes: a path of 4,096 bytes, each percent-encoded, and two numbers
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class _Entry(NamedTuple):
    size: int
    changed_ns: int
    name: str


class WrittenFiles:
    """The list of a folder, open and locked until `close`; the folder is created.

    alone  no other run may write into the folder meanwhile; otherwise, other runs may that do not overwrite it

    Raises OutputError if the list cannot be written, is not a list of detcli, or is locked by another run.
    """

    def __init__(self, folder: Path, *, alone: bool) -> None:
        self._folder, self._path = folder, folder / LIST_NAME
        self._adding = threading.Lock()
        with os_errors_as_output_errors(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            if self._path.is_symlink() or (self._path.exists() and not self._path.is_file()):
                raise _not_a_list(self._path)
            self._file: BinaryIO = os.fdopen(os.open(self._path, _OPEN, 0o666), "r+b", buffering=0)
            try:
                lock(self._file.fileno(), folder, shared=not alone)
                self._prepare()
            except BaseException:
                self._file.close()
                raise

    def add(self, name: str, state: os.stat_result) -> None:
        """Add a file that is about to get its name; safe in any thread.

        name   path below the folder, "/" between its parts
        state  of the complete file
        """
        encoded = quote_from_bytes(os.fsencode(name)).encode()
        line = b"%d %d %s\n" % (state.st_size, state.st_mtime_ns, encoded)
        with self._adding, os_errors_as_output_errors(self._path):
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def remove_files(self) -> list[str]:
        """Remove the listed files and the folders that are empty then, and empty the list.

        Returns the names of files that stay because they have changed since, at most MAX_CHANGED. Raises OutputError.
        """
        remover = _Remover(self._folder)
        all_removed = True
        for entry in self._entries():
            all_removed &= remover.remove(entry)
        remover.leave()
        remover.remove_temporary()
        changed: dict[str, None] = {}
        for entry in () if all_removed else self._entries():  # a name may have several lines: see what is there now
            if os.path.lexists(os.path.join(self._folder, entry.name)):  # noqa: PTH118
                changed[entry.name] = None
                if len(changed) == MAX_CHANGED:
                    break
        with os_errors_as_output_errors(self._path):
            self._file.truncate(0)
            self._file.write(_HEADER)
        return list(changed)

    def close(self) -> None:
        """Unlock the list; safe twice."""
        self._file.close()

    def _prepare(self) -> None:
        """Write the header of a new list, and end a line that a killed run left incomplete."""
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        head = self._file.read(len(_SIGNATURE))
        if head != _SIGNATURE:
            if not _SIGNATURE.startswith(head):
                raise _not_a_list(self._path)
            if size:
                self._file.truncate(0)
            self._file.write(_HEADER)
            return
        self._file.seek(size - 1)
        if self._file.read(1) != b"\n":
            self._file.write(b"\n")

    def _entries(self) -> Iterator[_Entry]:
        """The lines that name a file below the folder, one at a time: there may be millions."""
        with os_errors_as_output_errors(self._path), self._path.open("rb") as file:
            while line := file.readline(_MAX_LINE):
                match = _LINE.fullmatch(line)
                name = None if match is None else _safe_name(match[3])
                if match is not None and name is not None:
                    yield _Entry(int(match[1]), int(match[2]), name)


class _Remover:
    """Removes files below a folder, and folders that are empty then; never follows a link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parent: str | None = None
        self._is_inside = self._has_removed = False
        self._folders = {folder}  # at most _MAX_FOLDERS

    def remove(self, entry: _Entry) -> bool:
        """Remove a file; False if it is there and has changed, or may be outside of the folder. Raises OutputError."""
        parent = entry.name.rpartition("/")[0]
        if parent != self._parent:
            self.leave()
            self._parent, self._is_inside, self._has_removed = parent, _is_inside(self._folder, parent), False
            if self._is_inside and len(self._folders) < _MAX_FOLDERS:
                self._folders.add(self._folder / parent)
        if not self._is_inside:
            return False
        path = os.path.join(self._folder, entry.name)  # noqa: PTH118 - Path keeps the parts of millions of names
        try:
            state = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        if not stat.S_ISREG(state.st_mode) or (state.st_size, state.st_mtime_ns) != (entry.size, entry.changed_ns):
            return False
        with os_errors_as_output_errors(path):
            os.unlink(path)  # noqa: PTH108
        self._has_removed = True
        return True

    def remove_temporary(self) -> None:
        """Remove the temporary files that killed runs left in the folder, and in those of the listed files."""
        for folder in sorted(self._folders):
            for path in folder.glob(".detcli-*.part"):
                with suppress(OSError, OutputError):
                    _remove_temporary(path)

    def leave(self) -> None:
        """Remove the folder of the last file, and those above it, if they are empty."""
        parts = self._parent.split("/") if self._parent and self._has_removed else []
        try:
            for count in range(len(parts), 0, -1):
                self._folder.joinpath(*parts[:count]).rmdir()
        except OSError:  # has other files
            return


def _remove_temporary(path: Path) -> None:
    """Remove a temporary file that no run has locked or wrote to recently. Raises OSError or OutputError."""
    state = path.lstat()
    if (
        not _TEMPORARY.fullmatch(path.name)
        or not stat.S_ISREG(state.st_mode)
        or time.time() - state.st_mtime < _RECENT_S
    ):
        return
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        lock(descriptor, path)
    finally:
        os.close(descriptor)
    path.unlink()


def _is_inside(folder: Path, parent: str) -> bool:
    """Whether every folder on the way is a folder, not a link to another place; also if it is missing."""
    for part in parent.split("/") if parent else ():
        folder /= part
        try:
            state = folder.lstat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        if not stat.S_ISDIR(state.st_mode) or getattr(state, "st_reparse_tag", None):  # a junction of Windows
            return False
    return True


def _safe_name(encoded: bytes) -> str | None:
    """The name of a line; None if it may be outside of the folder, or is a file that detcli keeps there."""
    data = unquote_to_bytes(encoded)
    if b"\0" in data:
        return None
    try:
        name = os.fsdecode(data)
    except UnicodeDecodeError:  # on Windows
        return None
    if any(part in ("", ".", "..") for part in name.split("/")) or name.lower() in (LIST_NAME, OUTPUT_TAG):
        return None
    return None if sys.platform == "win32" and re.search(r"[\\:]", name) else name


def _not_a_list(path: Path) -> OutputError:
    return OutputError(f"'{path}' is not a list of files of detcli; move it, or use another output")
