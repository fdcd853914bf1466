"""Lists the files below a folder, or those that match a glob, sorted by the bytes of full paths. Opens no file.

A folder and a glob use the same algorithm: a glob is a start folder and one pattern for each level below it, and a folder
is a glob without patterns. `**` stands for any number of levels.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate

from detcli.errors import ImageError
from detcli.io.read import os_error_as_image_error

_MAGIC = re.compile(r"[*?[]")
_SEPARATORS = r"[\\/]" if os.name == "nt" else r"/"
_ANY_DEPTH = "**"
_States = frozenset[int]


@dataclass(frozen=True, slots=True)
class FoundPath:
    """A file, or a folder that cannot be listed.

    path   as the user can type it: the start, joined with `below`
    below  the part below the start, "/" between parts; "" for the start itself
    error  None for a file; for a folder, why it cannot be listed
    """

    path: str
    below: str
    error: ImageError | None = None


@dataclass(frozen=True, slots=True)
class PathWalker:
    """Lists files of folders and globs.

    recursive  search subfolders
    takes      whether a file is taken by its name, where no pattern has its suffix
    skips      whether a file is skipped, or a folder with everything below it
    """

    recursive: bool
    takes: Callable[[str], bool]
    skips: Callable[[FoundPath], bool]

    def folder(self, start: str) -> Iterator[FoundPath]:
        """All files that are taken of a folder; hidden ones and linked folders are skipped."""
        return _DirectoryLevels(self, ()).walk(start)

    def glob(self, pattern: str) -> Iterator[FoundPath]:
        """The files that a glob matches, and the files taken of folders that it matches. Hidden names need a pattern with "."."""
        start, levels = split_glob(pattern)
        return _DirectoryLevels(self, levels).walk(start)


def is_glob(text: str) -> bool:
    """Whether it contains a wildcard."""
    return _MAGIC.search(text) is not None


def split_glob(pattern: str) -> tuple[str, tuple[str, ...]]:
    """The start folder of a glob as written, "" for the current one, and the pattern of each level below it."""
    magic = _MAGIC.search(pattern)
    end = magic.start() if magic else len(pattern)
    start = max((match.end() for match in re.finditer(_SEPARATORS, pattern[:end])), default=0)
    return pattern[:start], tuple(part for part in re.split(_SEPARATORS, pattern[start:]) if part)


class _DirectoryLevels:
    """The patterns of one walk.

    A state is the index of the pattern that the next name must match; the number of patterns is the state of everything
    below a folder that matched all of them. Because of `**`, a folder may be in several states.
    """

    def __init__(self, walker: PathWalker, patterns: Sequence[str]) -> None:
        self._walker = walker
        self._patterns = patterns
        self._matches = [re.compile(translate(os.path.normcase(pattern))).match for pattern in patterns]
        self._below_all = len(patterns)
        last = patterns[-1] if patterns else _ANY_DEPTH
        suffix = os.path.splitext(last)[1]  # noqa: PTH122 - a pattern, not a path
        self._asks_for_suffix = not is_glob(last) or bool(suffix and not is_glob(suffix))

    def walk(self, start: str) -> Iterator[FoundPath]:
        """Depth first, with an explicit stack: folders may be nested deeper than Python's recursion limit."""
        open_folders: list[tuple[FoundPath, list[bytes], dict[bytes, _States]]] = []
        folder, states = FoundPath(start, ""), self._closed([0])
        while True:
            try:
                open_folders.append((folder, *self._list(folder, states)))
            except OSError as error:
                yield replace(folder, error=os_error_as_image_error(error, folder.path))
            while open_folders:
                parent, keys, states_of = open_folders[-1]
                if not keys:
                    open_folders.pop()
                    continue
                key = keys.pop()
                if key in states_of:
                    folder, states = _child(parent, os.fsdecode(key[:-1])), states_of[key]
                    break
                yield _child(parent, os.fsdecode(key))
            else:
                return

    def _list(self, folder: FoundPath, states: _States) -> tuple[list[bytes], dict[bytes, _States]]:
        """Names to visit in reverse order; a folder's name ends with "/", which sorts it like its contents.

        Only names are kept, so that a folder of a million images needs little memory.
        """
        keys: list[bytes] = []
        states_of: dict[bytes, _States] = {}
        with os.scandir(folder.path or ".") as entries:
            for entry in entries:
                if entry.is_dir():
                    inside = self._states_inside(states, entry.name, is_link=_is_link(entry))
                    if inside and not self._walker.skips(_child(folder, entry.name)):
                        key = os.fsencode(entry.name) + b"/"
                        keys.append(key)
                        states_of[key] = inside
                elif self._takes(states, entry.name) and not self._walker.skips(_child(folder, entry.name)):
                    keys.append(os.fsencode(entry.name))
        keys.sort(reverse=True)
        return keys, states_of

    def _states_inside(self, states: _States, name: str, *, is_link: bool) -> _States:
        walked = not is_link and not name.startswith(".")
        inside = []
        for state in states:
            if state == self._below_all:
                if walked and self._walker.recursive:
                    inside.append(state)
            elif self._patterns[state] == _ANY_DEPTH:
                if walked:
                    inside.append(state)
            elif self._fits(state, name):
                inside.append(state + 1)
        return self._closed(inside)

    def _takes(self, states: _States, name: str) -> bool:
        if self._below_all in states and not name.startswith(".") and self._walker.takes(name):
            return True
        last = self._below_all - 1
        if last not in states or self._patterns[last] == _ANY_DEPTH or not self._fits(last, name):
            return False
        return self._asks_for_suffix or self._walker.takes(name)

    def _fits(self, state: int, name: str) -> bool:
        if name.startswith(".") and not self._patterns[state].startswith("."):
            return False
        return self._matches[state](os.path.normcase(name)) is not None

    def _closed(self, states: Iterable[int]) -> _States:
        """The states, and those reached where a `**` stands for zero levels."""
        closed = set(states)
        for state, pattern in enumerate(self._patterns):
            if pattern == _ANY_DEPTH and state in closed:
                closed.add(state + 1)
        return frozenset(closed)


def _child(folder: FoundPath, name: str) -> FoundPath:
    below = f"{folder.below}/{name}" if folder.below else name
    return FoundPath(os.path.join(folder.path, name), below)  # noqa: PTH118 - Path would change what the user typed


def _is_link(entry: "os.DirEntry[str]") -> bool:
    if entry.is_symlink():
        return True
    is_junction = getattr(entry, "is_junction", None)  # Windows, from Python 3.12
    return is_junction is not None and bool(is_junction())
