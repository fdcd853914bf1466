"""Reads the next part of a stream in the background, while the one before it is used."""

from collections.abc import Callable
from functools import partial

from detcli.io.remote.background_calls import AheadCall, BackgroundCalls
from detcli.io.remote.read_objects import PART_BYTES


class PartsAhead:
    """Returns up to so many bytes of a stream, empty at the end; two parts are in memory.

    read  returns so many bytes, fewer at the end; called by one thread at a time
    """

    def __init__(self, read: Callable[[int], bytes], part_bytes: int = PART_BYTES) -> None:
        self._read, self._part_bytes = read, part_bytes
        self._calls = BackgroundCalls(1)
        self._part, self._position = b"", 0
        self._next = self._requested()

    def __call__(self, length: int) -> bytes:
        """The next bytes. Raises what `read` raises."""
        if self._position == len(self._part):
            self._part, self._position = self._next(), 0
            if self._part:
                self._next = self._requested()
        data = self._part[self._position : self._position + length]
        self._position += len(data)
        return data

    def _requested(self) -> AheadCall[bytes]:
        call = AheadCall(partial(self._read, self._part_bytes), self._calls)
        call.start()
        return call
