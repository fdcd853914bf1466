"""An object as a binary file that is read from one position to the next: the next part is requested while one is used."""

import io
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from detcli.errors import ImageError
from detcli.io.remote.addresses import StoreAddress, store_address
from detcli.io.remote.background_calls import BackgroundCalls
from detcli.io.remote.read_objects import object_size, read_range

T = TypeVar("T")

_FIRST_BYTES: Final = 256 << 10  # of the part after a jump
_MOST_BYTES: Final = 4 << 20
_KEPT_PARTS: Final = 3  # besides the first one: the one in use, the next one, the one before a jump
_POLL_S: Final = 0.1  # longest delay until `closed` is noticed


@dataclass(frozen=True, slots=True)
class _Part:
    """Bytes of the object that were requested."""

    start: int
    length: int
    data: "Future[bytes]"

    @property
    def end(self) -> int:
        return self.start + self.length

    def has(self, position: int) -> bool:
        return self.start <= position < self.end


class AheadReader:
    """Reads an object in parts, used by one thread at a time.

    A part after a jump is small, and each one that continues another is twice as long: an index at the end of a file costs
    one or two requests, and a long file few. About 10 MB are in memory, among them the first part, where FFmpeg returns to.

    url     of the object
    closed  set by another thread: a read that waits for the store ends

    name    as it is shown, without credentials
    size    bytes
    error   why the object cannot be read to its end; `read` then returns no more bytes, as at the end of a file: FFmpeg does
            not report errors of a file object at all places

    Raises ImageError as `read_object`, also for an empty object.
    """

    def __init__(self, url: str | StoreAddress, closed: threading.Event | None = None) -> None:
        self._address = store_address(url)
        self._closed = closed or threading.Event()
        self._calls = BackgroundCalls(2)
        self._parts: list[_Part] = []  # the first one, then the others with the last used one at the end
        self._position = 0
        self.name = str(self._address)
        self.error: ImageError | None = None
        size = self._result(self._calls.submit(partial(object_size, self._address)))
        if size is None:
            raise ImageError("not-found", "it was closed while it was opened")
        if size == 0:
            raise ImageError("empty", "an empty object")
        self.size = size

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, also behind the end; requests nothing."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(start + offset, 0)
        return self._position

    def read(self, count: int) -> bytes:
        """So many bytes, fewer only at the end and where `error` says why."""
        data = self.read_at(self._position, count)
        self._position += len(data)
        return data

    def read_at(self, start: int, count: int) -> bytes:
        """The same at a position; the file stays where it is."""
        pieces, end = [], min(start + count, self.size)
        while start < end:
            piece = self._bytes_at(start, end)
            if not piece:
                break
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _bytes_at(self, start: int, end: int) -> bytes:
        """The bytes from a position that one part has."""
        if self.error is not None:
            return b""
        part = self._part_at(start)
        try:
            data = self._result(part.data)
        except ImageError as error:
            self.error = error
            return b""
        offset = start - part.start
        if data is None:
            return b""
        if offset >= part.length // 2 and part.end < self.size:
            self._part_at(part.end)
        return data[offset : offset + end - start]

    def _part_at(self, position: int) -> _Part:
        """The part with this position, the last used one from now on; it is requested where it is not there."""
        part = next((part for part in self._parts if part.has(position)), None)
        if part is None:
            before = next((part for part in self._parts if part.end == position), None)
            length = _FIRST_BYTES if before is None else min(2 * before.length, _MOST_BYTES)
            end = min(position + length, self.size)
            part = _Part(
                position, end - position, self._calls.submit(partial(read_range, self._address, position, end))
            )
        elif part is self._parts[0]:
            return part
        else:
            self._parts.remove(part)
        self._parts.append(part)
        if len(self._parts) > 1 + _KEPT_PARTS:
            del self._parts[1]
        return part

    def _result(self, future: "Future[T]") -> T | None:
        """The result of a request; None where the reader is closed meanwhile."""
        while not future.done():
            if self._closed.is_set():
                return None
            wait([future], timeout=_POLL_S)
        return future.result()
