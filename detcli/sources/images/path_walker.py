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
from detcli.io.naming import SkippedEntries
from detcli.io.output_paths import is_output_folder
from detcli.io.read import is_folder, is_link, os_error_as_image_error

_MAGIC = re.compile(r"[*?[]")
_SEPARATORS = r"[\\/]" if os.name == "nt" else r"/"
_ANY_DEPTH = "**"
_States = frozenset[int]


@dataclass(frozen=True, slots=True)
class FoundPath:
    """A file, or a folder that cannot be listed, or not to its end.

    path   as the user can type it: the start, joined with `below`
    below  the part below the start, "/" between parts; "" for the start itself
    error  None for a file; for a folder, why it cannot be listed to its end
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
    skipped    gets the files that are not taken for their names, and the folders with outputs of earlier runs; what is
               hidden or skipped by `skips` is left out
    counts     whether files are counted in `skipped`
    """

    recursive: bool
    takes: Callable[[str], bool]
    skips: Callable[[FoundPath], bool]
    skipped: SkippedEntries | None = None
    counts: bool = True

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
            keys, states_of, failure = self._list(folder, states)
            if failure is not None:
                yield replace(folder, error=os_error_as_image_error(failure, folder.path))
            open_folders.append((folder, keys, states_of))
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

    def _list(self, folder: FoundPath, states: _States) -> tuple[list[bytes], dict[bytes, _States], OSError | None]:
        """Names to visit in reverse order; a folder's name ends with "/", which sorts it like its contents.

        Only names are kept, so that a folder of a million images needs little memory. An error ends the list: the names
        before it are kept. A folder below the start that has outputs of an earlier run is empty.
        """
        keys: list[bytes] = []
        states_of: dict[bytes, _States] = {}
        failure = None
        if folder.below and is_output_folder(folder.path):
            if self._walker.skipped is not None:
                self._walker.skipped.output_folders.append(folder.path)
            return keys, states_of, failure
        try:
            with os.scandir(folder.path or ".") as entries:
                for entry in entries:
                    key, inside = self._key(folder, entry, states)
                    if key and not self._walker.skips(_child(folder, entry.name)):
                        keys.append(key)
                        if inside:
                            states_of[key] = inside
        except OSError as error:
            failure = error
        keys.sort(reverse=True)
        return keys, states_of, failure

    def _key(self, parent: FoundPath, entry: "os.DirEntry[str]", states: _States) -> tuple[bytes, _States]:
        """The name to visit of an entry, empty for none, and the states inside a folder.

        Where the system cannot tell whether it is a folder, a name that is taken is a file, which fails when it is read;
        any other is a folder, which fails when it is listed.
        """
        name = os.fsencode(entry.name)
        folder = is_folder(entry)
        if not folder and self._takes(states, entry.name):
            return name, frozenset()
        if folder is False:
            self._count(parent, entry.name, states)
            return b"", frozenset()
        link = is_link(entry)
        leads_back = link and _leads_back(_child(parent, entry.name).path)
        inside = self._states_inside(states, entry.name, is_link=link, leads_back=leads_back)
        return (name + b"/" if inside else b""), inside

    def _count(self, parent: FoundPath, name: str, states: _States) -> None:
        """Count a file that is not taken for its suffix."""
        skipped = self._walker.skipped
        if skipped is None or not self._walker.counts or self._below_all not in states or name.startswith("."):
            return
        if not self._walker.skips(_child(parent, name)):
            skipped.by_suffix[os.path.splitext(name)[1].lower()] += 1  # noqa: PTH122 - any name

    def _states_inside(self, states: _States, name: str, *, is_link: bool, leads_back: bool) -> _States:
        """The states inside a folder; a link to a folder that it is in is entered by its own name only, not by a pattern."""
        walked = not is_link and not name.startswith(".")
        inside = []
        for state in states:
            if state == self._below_all:
                if walked and self._walker.recursive:
                    inside.append(state)
            elif self._patterns[state] == _ANY_DEPTH:
                if walked:
                    inside.append(state)
            elif self._fits(state, name) and not (leads_back and is_glob(self._patterns[state])):
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


def _leads_back(link: str) -> bool:
    """Whether a link leads to a folder that it is in, so that everything there would be found again."""
    try:
        target, folder = os.path.realpath(link), os.path.realpath(os.path.dirname(link) or ".")  # noqa: PTH120 - any name
        return os.path.commonpath((target, folder)) == target
    except (OSError, ValueError):  # it fails when it is listed
        return False
