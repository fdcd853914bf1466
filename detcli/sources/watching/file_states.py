"""Which state each file of the watched folders had when it was processed, so that only changes are processed again."""

import os
import stat
from typing import NamedTuple


class FileState(NamedTuple):
    """What tells that a file was written again: its size, and the time of its last change.

    size        in bytes; negative for what is no file that can be read
    changed_ns  time of the last change, in nanoseconds since 1970
    regular     whether it is a file
    """

    size: int
    changed_ns: int
    regular: bool = True

    @classmethod
    def of_error(cls, code: str) -> "FileState":
        """The state of a folder that cannot be listed: the same as long as the reason is."""
        return cls(-2, hash(code))


def state_of(path: str) -> FileState | None:
    """The state of a file, or of what a link leads to; None if there is nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116 - any name
    except (OSError, ValueError):
        try:
            return FileState(-1, os.lstat(path).st_mtime_ns)  # a link that leads nowhere
        except (OSError, ValueError):
            return None
    return FileState(found.st_size, found.st_mtime_ns, stat.S_ISREG(found.st_mode))


class FileStates:
    """The states of the files that are in the folders now; one that is removed is forgotten.

    Names and states are kept as hashes: about 120 bytes for each file.
    """

    def __init__(self) -> None:
        self._states: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._states)

    def has(self, path: str, state: FileState) -> bool:
        """Whether a file was taken in this state."""
        return self._states.get(hash(path)) == hash(state)

    def take(self, path: str, state: FileState) -> None:
        """Remember that a file is taken in this state."""
        self._states[hash(path)] = hash(state)

    def forget(self, path: str) -> None:
        """Forget a file that is removed."""
        self._states.pop(hash(path), None)

    def keep_only(self, seen: set[int]) -> None:
        """Forget all files but those with these hashes of their paths."""
        self._states = {key: state for key, state in self._states.items() if key in seen}
