"""Reads members of a stream again, in about the order of the archive, where they were not kept when they were listed."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from detcli.errors import ImageError
from detcli.io.archives.member import CheckHead, Entry
from detcli.io.remote.addresses import StoreAddress
from detcli.sources.archives.open_archive import opened_archive

_HELD_BYTES: Final = 64 << 20


class SecondReading:
    """One reader of a stream, shared by all of its members; safe in any thread.

    Members that are passed on the way are kept for a while, since threads do not ask in exactly the order.
    """

    def __init__(self, path: str | StoreAddress, *, max_bytes: int, check_head: CheckHead | None) -> None:
        self._path, self._max_bytes, self._check_head = path, max_bytes, check_head
        self._lock = threading.Lock()
        self._entries: Iterator[Entry] | None = None
        self._position = 0
        self._held: dict[int, bytes] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process reads the archive with a reader of its own."""
        return partial(SecondReading, max_bytes=self._max_bytes, check_head=self._check_head), (self._path,)

    def member(self, position: int) -> Callable[[], bytes]:
        """A function that reads the entry at a position, from 0."""
        return partial(self._read, position)

    def _read(self, position: int) -> bytes:
        with self._lock:
            held = self._held.pop(position, None)
            if held is not None:
                return held
            if self._entries is None or position < self._position:
                self._entries, self._position = _entries(self._path), 0
                self._held.clear()
            for entry in self._entries:
                self._position += 1
                if self._position > position:
                    return self._content(entry)
                self._hold(self._position - 1, entry)
        raise ImageError("not-found", "the archive has changed: the member is not in it any more")

    def _content(self, entry: Entry) -> bytes:
        if isinstance(entry, ImageError):
            raise entry
        if entry.error is not None:
            raise entry.error
        return entry.read(max_bytes=self._max_bytes, check_head=self._check_head)

    def _hold(self, position: int, entry: Entry) -> None:
        if isinstance(entry, ImageError) or entry.error is not None or not 0 < entry.size <= _HELD_BYTES // 8:
            return
        try:
            self._held[position] = entry.read(max_bytes=self._max_bytes, check_head=self._check_head)
        except ImageError:
            return
        while sum(map(len, self._held.values())) > _HELD_BYTES:
            del self._held[min(self._held)]


def _entries(path: str | StoreAddress) -> Iterator[Entry]:
    with opened_archive(path) as archive:
        yield from archive.entries
