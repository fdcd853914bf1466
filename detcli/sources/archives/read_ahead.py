"""Members of a stream that were read when they were listed, until the pipeline takes them: a limited number of bytes."""

import threading
from collections.abc import Callable
from typing import Final

from detcli.errors import ImageError

_HELD_BYTES: Final = 256 << 20
_PATIENCE_S: Final = 300.0  # without it, a reader that drops no member and reads none would stop the listing forever


class ReadAhead:
    """A limit on the bytes of members that were listed and are not read yet.

    Listing waits while the limit is exceeded, so another thread must read the members, or drop them.
    """

    def __init__(self, nbytes: int = _HELD_BYTES) -> None:
        self._changed = threading.Condition()
        self._max_bytes = nbytes
        self._bytes = self._members = 0
        self._closed = False

    def reserve(self, nbytes: int, *, wait: bool) -> bool:
        """Count the bytes of a member once they fit; False where they do not, or after `close`.

        Two members always fit: who takes one after the other has the last one while the next one is listed.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closed or self._fits(nbytes), _PATIENCE_S)
            if self._closed or not self._fits(nbytes):
                return False
            self._bytes += nbytes
            self._members += 1
            return True

    def release(self, nbytes: int) -> None:
        """Stop counting the bytes of a member."""
        with self._changed:
            self._bytes -= nbytes
            self._members -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """End every wait: the run is over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, nbytes: int) -> bool:
        return self._members < 2 or self._bytes + nbytes <= self._max_bytes


class HeldMember:
    """Reads a member from memory, once; it stops counting when it is read, or dropped without being read.

    content  its bytes, or why they cannot be read
    again    reads it again from the archive
    """

    def __init__(self, content: bytes | ImageError, size: int, limit: ReadAhead, again: Callable[[], bytes]) -> None:
        self._content: bytes | ImageError | None = content
        self._size, self._limit, self._again = size, limit, again

    def __call__(self) -> bytes:
        """The content. Raises ImageError."""
        content = self._take()
        if isinstance(content, ImageError):
            raise content
        return self._again() if content is None else content

    def __del__(self) -> None:
        self._take()

    def _take(self) -> bytes | ImageError | None:
        content, self._content = self._content, None
        if content is not None:
            self._limit.release(self._size)
        return content
