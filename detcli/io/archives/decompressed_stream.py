"""Decompresses a stream as it is read: gzip, bzip2, xz, and Zstandard where Python has it; with limits for bombs."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from detcli.errors import ImageError
from detcli.io.archives.member import FREE_BYTES, MAX_RATIO

_CHUNK_BYTES: Final = 1 << 18
_MAX_XZ_MEMORY: Final = 512 << 20  # the highest level of xz needs 65 MB
_ERRORS = (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError)


class _Decompressor(Protocol):
    """The interface of bz2 and lzma."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """Gzip by the same interface."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)
        self._output_is_full = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail and not self._output_is_full

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        output = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._output_is_full = len(output) == max_length
        return output


def _zstandard() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # from Python 3.14
    except ImportError:
        raise ImageError("unsupported", "archives with Zstandard compression need Python 3.14 or later") from None
    return zstd.ZstdDecompressor()


# By the first bytes of a file: what it is called, and what makes a decompressor.
_KINDS: Final[tuple[tuple[bytes, str, Callable[[], Any]], ...]] = (
    (b"\x1f\x8b", "gzip", _Gzip),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_XZ_MEMORY)),
    (b"\x28\xb5\x2f\xfd", "Zstandard", _zstandard),
)


def is_compressed(head: bytes) -> bool:
    """Whether these first bytes are of a compression that archives have."""
    return any(head.startswith(magic) for magic, _, _ in _KINDS)


class DecompressedStream:
    """The content of a compressed stream, of which several may follow each other.

    read_raw  returns up to so many compressed bytes, empty at the end

    Raises ImageError where Python lacks the decompressor.
    """

    def __init__(self, read_raw: Callable[[int], bytes]) -> None:
        self._read_raw = read_raw
        self._raw = read_raw(_CHUNK_BYTES)
        self._taken, self._given = len(self._raw), 0
        self._magic, self._name, self._make = next(kind for kind in _KINDS if self._raw.startswith(kind[0]))
        self._inner: _Decompressor = self._make()

    def read(self, length: int) -> bytes:
        """Up to so many bytes, empty at the end. Raises ImageError: truncated, decode-failed, too-large."""
        output = b""
        while not output:
            if self._inner.eof and not self._next_stream():
                break
            if self._inner.needs_input and not self._raw:
                self._raw = self._more()
                if not self._raw:
                    raise ImageError("truncated", f"its {self._name} data ends too early")
            raw, self._raw = self._raw, b""
            try:
                output = self._inner.decompress(raw, length)
            except _ERRORS as error:
                detail = str(error) or type(error).__name__
                raise ImageError("decode-failed", f"its {self._name} data is damaged ({detail[:100]})") from error
        self._given += len(output)
        if self._given > FREE_BYTES and self._given > MAX_RATIO * self._taken:
            raise ImageError("too-large", f"its data expands to more than {MAX_RATIO} times its compressed size")
        return output

    def _more(self) -> bytes:
        raw = self._read_raw(_CHUNK_BYTES)
        self._taken += len(raw)
        return raw

    def _next_stream(self) -> bool:
        """Start with the stream that follows; other bytes after the end are ignored, as gzip does."""
        rest = (self._inner.unused_data + self._raw).lstrip(b"\0")
        while len(rest) < len(self._magic) and (raw := self._more()):
            rest = (rest + raw).lstrip(b"\0")
        if not rest.startswith(self._magic):
            return False
        self._raw, self._inner = rest, self._make()
        return True
