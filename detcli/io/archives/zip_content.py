"""Reads the content of a member of a zip: its local header, limited decompression, and its checksum."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from detcli.errors import ImageError
from detcli.io.archives.archive_bytes import ArchiveBytes, FileBytes
from detcli.io.archives.member import CheckHead, check_ratio, check_size
from detcli.io.images.limits import HEAD_BYTES
from detcli.io.read import opened

_LOCAL: Final = b"PK\3\4"
_LOCAL_HEAD = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED, _BZIP2, _LZMA = 0, 8, 12, 14
_MAX_DICTIONARY: Final = 256 << 20
_METHOD_NAMES: Final = {6: "imploded", 9: "Deflate64", 93: "Zstandard", 95: "xz", 97: "WavPack", 98: "PPMd", 99: "AES"}
_ERRORS = (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, struct.error)


@dataclass(frozen=True, slots=True)
class PackedContent:
    """Where the content of a member is, and how it is packed.

    at      position of its local header
    packed  bytes in the archive
    size    bytes of the content
    """

    at: int
    packed: int
    size: int
    method: int
    crc: int

    @staticmethod
    def unsupported(method: int) -> ImageError | None:
        """The error for a method that cannot be read; None for others."""
        if method in (_STORED, _DEFLATED, _BZIP2, _LZMA):
            return None
        name = _METHOD_NAMES.get(method, f"method {method}")
        return ImageError("unsupported", f"its compression ({name}) is not supported")


def read_zip_file_content(
    path: str, content: PackedContent, *, max_bytes: int, check_head: CheckHead | None = None
) -> bytes:
    """The content of a member of a local zip, which is opened for it; see `ReadMember`."""
    with opened(path) as descriptor:
        return read_zip_content(FileBytes(descriptor), content, max_bytes=max_bytes, check_head=check_head)


def read_zip_content(
    data: ArchiveBytes, content: PackedContent, *, max_bytes: int, check_head: CheckHead | None = None
) -> bytes:
    """The same, of an open zip."""
    check_size(content.size, max_bytes)
    check_ratio(content.size, content.packed)
    if content.packed > 2 * content.size + 1024:  # no compression needs more, and it is read into memory
        raise ImageError("decode-failed", f"its data is damaged: it has {content.packed:,} bytes for {content.size:,}")
    head = data.read_at(content.at, _LOCAL_HEAD.size)
    if len(head) < _LOCAL_HEAD.size or not head.startswith(_LOCAL):
        raise ImageError("decode-failed", "the zip archive is damaged: the member is not where its directory says")
    start = content.at + _LOCAL_HEAD.size + sum(_LOCAL_HEAD.unpack(head)[-2:])
    packed = data.read_at(start, content.packed)
    if len(packed) < content.packed:
        missing = f"truncated after {len(packed):,} of {content.packed:,} bytes: the archive ends there"
        raise ImageError("truncated", missing)
    return _unpacked(packed, content, check_head)


def _unpacked(packed: bytes, content: PackedContent, check_head: CheckHead | None) -> bytes:
    try:
        if content.method == _STORED:
            unpacked = packed
            if check_head is not None:
                check_head(unpacked[:HEAD_BYTES])
        else:
            unpacked = _decompressed(_decompressor(content.method, packed), content.size, check_head)
    except _ERRORS as error:
        detail = str(error) or type(error).__name__
        raise ImageError("decode-failed", f"its compressed data is damaged ({detail[:100]})") from error
    if len(unpacked) != content.size:
        raise ImageError("decode-failed", f"its data is damaged: it has another size than {content.size:,} bytes")
    if zlib.crc32(unpacked) != content.crc:
        raise ImageError("decode-failed", "its data is damaged: the checksum is wrong")
    return unpacked


def _decompressed(more: Callable[[int], bytes], size: int, check_head: CheckHead | None) -> bytes:
    """Decompress up to one byte more than the size that the directory gives."""
    head = more(min(size, HEAD_BYTES))
    if check_head is not None and head:
        check_head(head)
    parts, length = [head], len(head)
    while length <= size and (part := more(size + 1 - length)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)


def _decompressor(method: int, packed: bytes) -> Callable[[int], bytes]:
    """A function that returns up to so many more bytes, empty at the end."""
    if method == _DEFLATED:
        inner = zlib.decompressobj(-15)
        left = [packed]

        def inflate(length: int) -> bytes:
            output = inner.decompress(left[0], length)
            left[0] = inner.unconsumed_tail
            return output

        return inflate
    decompressor: Any = bz2.BZ2Decompressor() if method == _BZIP2 else _lzma(packed)
    data = [packed if method == _BZIP2 else packed[_lzma_start(packed) :]]

    def decompress(length: int) -> bytes:
        if decompressor.eof:
            return b""
        given, data[0] = data[0], b""
        output: bytes = decompressor.decompress(given, length)
        return output

    return decompress


def _lzma_start(packed: bytes) -> int:
    return 4 + int(struct.unpack_from("<H", packed, 2)[0])


def _lzma(packed: bytes) -> lzma.LZMADecompressor:
    """A decompressor by the properties before the data: one byte for lc, lp and pb, then the size of the dictionary."""
    properties, dictionary = struct.unpack_from("<BL", packed, 4)
    if dictionary > _MAX_DICTIONARY:
        raise ImageError("too-large", f"its compression needs {dictionary:,} bytes of memory")
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    return lzma.LZMADecompressor(
        lzma.FORMAT_RAW,
        filters=[{"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), "lc": lc, "lp": lp, "pb": pb}],
    )
