"""Reads objects: complete ones into memory, and as binary files that read ranges."""

import io
from collections.abc import Callable
from typing import Any, Final

from detcli.errors import ImageError, StoreError
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.remote.addresses import StoreAddress, store_address
from detcli.io.remote.stores import Store, store_of

PART_BYTES: Final = 8 << 20  # of one request, so that each one ends within its time limit
_INVALID_RANGE: Final = ("InvalidRange", 416)  # of a store that is asked for bytes behind the end


def read_object(url: str | StoreAddress, *, max_bytes: int, check_head: Callable[[bytes], None] | None = None) -> bytes:
    """All bytes of an object.

    max_bytes   a longer object is not read to its end
    check_head  called with the first bytes before more than the first part is read; raises to reject the object

    Raises ImageError: not-found (also for a store that does not answer), no-permission, empty, too-large, truncated,
    unsupported. Messages contain no credentials.
    """
    return rest_of_object(url, first_part(url, max_bytes=max_bytes), max_bytes=max_bytes, check_head=check_head)


def first_part(url: str | StoreAddress, *, max_bytes: int) -> bytes:
    """The first bytes of an object, at most `PART_BYTES`. Raises ImageError as `read_object`."""
    address = store_address(url)
    return _range(store_of(address), address, 0, min(PART_BYTES, max_bytes + 1))


def rest_of_object(
    url: str | StoreAddress, first: bytes, *, max_bytes: int, check_head: Callable[[bytes], None] | None = None
) -> bytes:
    """All bytes of an object whose first part is read already; the other arguments are those of `read_object`."""
    if not first:
        raise ImageError("empty", "an empty object")
    if check_head is not None:
        check_head(first[:HEAD_BYTES])
    if len(first) < min(PART_BYTES, max_bytes + 1):
        return first
    size = object_size(url)
    if size > max_bytes:
        raise ImageError("too-large", f"{size:,} bytes are more than the limit of {max_bytes:,}")
    address, parts = store_address(url), [first]
    for start in range(len(first), size, PART_BYTES):
        end = min(start + PART_BYTES, size)
        parts.append(read_range(address, start, end))
    return b"".join(parts)


def object_size(url: str | StoreAddress) -> int:
    """The size of an object in bytes. Raises ImageError as `read_object`."""
    address = store_address(url)
    store = store_of(address)
    info = store.call("info", address, store.path_of(address))
    if info["type"] == "directory":
        raise ImageError("not-found", "no object has this name; there are objects below it")
    return int(info["size"])


def read_range(url: str | StoreAddress, start: int, end: int) -> bytes:
    """All bytes of an object from `start` to `end`. Raises ImageError as `read_object`: truncated where it is shorter."""
    address = store_address(url)
    return _complete(_range(store_of(address), address, start, end), start, end)


def open_object(url: str | StoreAddress) -> io.BufferedReader:
    """An object as a binary file that can be positioned; each part is requested when it is read.

    Raises ImageError as `read_object`, also while it is read.
    """
    return io.BufferedReader(_ObjectReader(url), buffer_size=1 << 20)


class _ObjectReader(io.RawIOBase):
    """Reads an object in parts of `PART_BYTES`, and keeps the last one."""

    def __init__(self, url: str | StoreAddress) -> None:
        super().__init__()
        self.name = str(store_address(url))
        self._address = store_address(url)
        self._size = object_size(url)
        self._position = 0
        self._part, self._part_start = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(start + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size:
            return 0
        offset = self._position - self._part_start
        if not 0 <= offset < len(self._part):
            start, end = self._position, min(self._position + PART_BYTES, self._size)
            self._part = read_range(self._address, start, end)
            self._part_start, offset = start, 0
        count = min(len(buffer), len(self._part) - offset)
        buffer[:count] = self._part[offset : offset + count]
        self._position += count
        return count


def _range(store: Store, address: StoreAddress, start: int, end: int) -> bytes:
    """The bytes of an object from `start` to `end`; fewer where it is shorter."""
    try:
        data: bytes = store.call("cat_file", address, store.path_of(address), start=start, end=end)
    except StoreError as error:
        if error.refusal in _INVALID_RANGE:
            return b""
        raise
    return data


def _complete(data: bytes, start: int, end: int) -> bytes:
    if len(data) != end - start:
        raise ImageError("truncated", f"truncated after {start + len(data):,} bytes; was it replaced meanwhile?")
    return data
