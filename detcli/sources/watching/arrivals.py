"""Tells when a file that arrives is complete: its end is there by the rules of its format, and nothing changes any more.

Systems report that a file was closed, but not on network file systems, and not that it is opened again for the next
piece. The end of an image tells more: each format has one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from detcli.errors import ImageError
from detcli.io.images.formats import image_format, is_cut_short
from detcli.io.read import HEAD_BYTES, read_bytes
from detcli.sources.watching.file_states import FileState, state_of
from detcli.sources.watching.watched_paths import WatchedPath

SETTLE_S = 0.3  # without a change, for an image whose end is there
PATIENCE_S = 10.0  # without a change, for a file without an end: it will hardly get one
_LATER = ("empty", "not-found", "not-an-image", "no-permission")  # may still become an image


@dataclass(slots=True)
class _Arrival:
    """A file that may still grow: its state, since when it has that, and whether its end is there, once that was read."""

    file: WatchedPath
    state: FileState
    since: float
    whole: bool | None = None


class Arrivals:
    """Files that may still grow, until they are dropped.

    max_bytes  a longer file is not read to its end: the reader of the image refuses it
    clock      seconds, which never go backwards
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._clock = max_bytes, clock
        self._arrivals: dict[str, _Arrival] = {}

    def __len__(self) -> int:
        return len(self._arrivals)

    def files(self) -> list[WatchedPath]:
        """The files that may still grow, sorted by their paths."""
        return [self._arrivals[path].file for path in sorted(self._arrivals)]

    def add(self, file: WatchedPath, state: FileState) -> None:
        """Remember a file; its wait begins again with each new state."""
        arrival = self._arrivals.get(file.path)
        if arrival is None or arrival.state != state:
            self._arrivals[file.path] = _Arrival(file, state, self._clock())

    def is_complete(self, file: WatchedPath, state: FileState, *, is_old: bool = False) -> bool:
        """Whether a file with this state is complete; otherwise it is remembered, and asked about again.

        is_old  it was there at the start: one that was not changed for a while is complete, and not read here
        """
        if not state.regular:  # read at once, which fails
            return True
        if is_old and time.time() - state.changed_ns / 1e9 > PATIENCE_S:
            return True
        self.add(file, state)
        arrival = self._arrivals[file.path]
        waited = self._clock() - arrival.since
        if waited < SETTLE_S:
            return False
        if arrival.whole is None:
            whole, now = self._is_whole(file.path), state_of(file.path)
            if now is not None and now != state:  # it was written to in between: what was read may be of either state
                self.add(file, now)
                return False
            arrival.whole = whole
        return arrival.whole or waited >= PATIENCE_S

    def drop(self, path: str) -> None:
        """Forget a file."""
        self._arrivals.pop(path, None)

    def _is_whole(self, path: str) -> bool:
        try:
            data = read_bytes(path, max_bytes=self._max_bytes)
        except ImageError as error:
            return error.code not in _LATER
        name = image_format(data[:HEAD_BYTES])
        return name is not None and not is_cut_short(name, data)
