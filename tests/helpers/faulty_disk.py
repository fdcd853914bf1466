"""A disk that fails at the n-th call: every open, write, fsync, truncation and rename of detcli counts."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import OutputError


class FaultyDisk:
    """Counts the calls, and raises OSError at one of them.

    fails_at  number of the call that fails; None: none
    """

    def __init__(self, fails_at: int | None) -> None:
        self.calls = 0
        self._fails_at = fails_at

    @property
    def failed(self) -> bool:
        """Whether a call failed."""
        return self._fails_at is not None and self.calls > self._fails_at

    def call(self) -> None:
        """Count a call."""
        number, self.calls = self.calls, self.calls + 1
        if number == self._fails_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def faulty(fails_at: int | None) -> Iterator[FaultyDisk]:
    """Make calls of the file system fail inside the block."""
    disk = FaultyDisk(fails_at)

    class File(io.FileIO):
        def write(self, data: Any) -> int:
            disk.call()
            return super().write(data)

        def truncate(self, size: int | None = None) -> int:
            disk.call()
            return super().truncate(size)

    def opened(descriptor: int, mode: str = "r", buffering: int = -1, **how: Any) -> Any:
        raw = File(descriptor, mode.replace("b", ""))
        return raw if buffering == 0 else io.BufferedWriter(raw)

    path_open = Path.open

    def path_opened(path: Path, mode: str = "r", buffering: int = -1, *others: Any, **how: Any) -> Any:
        if mode != "ab":
            return path_open(path, mode, buffering, *others, **how)
        disk.call()
        return File(str(path), "a")

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **how: Any) -> Any:
            disk.call()
            return function(*arguments, **how)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "fsync", "ftruncate"):
            patch.setattr(os, name, counted(getattr(os, name)))
        patch.setattr(os, "fdopen", opened)
        patch.setattr(Path, "open", path_opened)
        for name in ("replace", "mkdir"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        yield disk


def fail_everywhere(folder: Path, write: Callable[[Path], None]) -> Iterator[Path]:
    """Write into a new folder for each call that can fail, until no call is left; yields each folder after it.

    Any error but OutputError is a bug, and so is an error that is not reported.
    """
    for number in range(10_000):
        target = folder / f"{number:04}"
        target.mkdir()
        raised = False
        with faulty(number) as disk:
            try:
                write(target)
            except OutputError:
                raised = True
        yield target
        if not disk.failed:
            assert not raised
            assert number > 3
            return
    raise AssertionError("there are too many calls")
