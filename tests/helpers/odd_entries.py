"""Entries of folders that the system cannot tell about: links that lead nowhere, and injected errors of `stat`."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

ERRORS = (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ESTALE, errno.EIO)


def make_odd_links(folder: Path, suffix: str) -> list[str]:
    """Links that cannot be followed, each for another reason; returns their names."""
    (folder / "a-file").write_bytes(b"x")
    targets = {
        "broken": "nowhere",
        "itself": f"itself{suffix}",
        "ping": f"pong{suffix}",
        "pong": f"ping{suffix}",
        "through": "a-file/below",
        "long": "x" * 300,
    }
    for name, target in targets.items():
        (folder / f"{name}{suffix}").symlink_to(target)
    return [f"{name}{suffix}" for name in targets]


class _OddEntry:
    """An entry of a folder whose `stat` fails."""

    def __init__(self, entry: "os.DirEntry[str]", number: int) -> None:
        self.name, self.path = entry.name, entry.path
        self._number = number

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        raise OSError(self._number, os.strerror(self._number), self.path)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        raise OSError(self._number, os.strerror(self._number), self.path)

    def is_symlink(self) -> bool:
        raise OSError(self._number, os.strerror(self._number), self.path)


class _OddListing:
    """A folder with one entry whose `stat` fails, or that ends with an error."""

    def __init__(self, listing: Any, name: str, number: int, *, ends: bool) -> None:
        self._listing, self._name, self._number, self._ends = listing, name, number, ends
        self._entries = self._all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listing.close()

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def _all(self) -> Iterator[Any]:
        entries = sorted(self._listing, key=lambda entry: entry.name)
        for entry in entries:
            if entry.name != self._name:
                yield entry
            elif self._ends:
                raise OSError(self._number, os.strerror(self._number))
            else:
                yield _OddEntry(entry, self._number)

    def close(self) -> None:
        self._listing.close()


@pytest.fixture
def failing_entry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let `stat` of entries with a name fail, or the listing of their folder end there."""
    scandir = os.scandir

    def inject(name: str, number: int, *, ends: bool = False) -> None:
        monkeypatch.setattr(os, "scandir", lambda path=".": _OddListing(scandir(path), name, number, ends=ends))

    return inject
