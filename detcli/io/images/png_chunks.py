"""The chunks of a PNG: those that no pixel depends on are dropped where they are damaged, as every viewer does."""

import io
import zlib
from collections.abc import Iterator

from PIL import PngImagePlugin

_SIGNATURE_BYTES = 8
_FRAME_BYTES = 12  # of a chunk besides its data: length, kind, checksum
_MAX_CHUNKS = 100_000  # what follows is left to the decoder
_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")


def without_damaged_chunks(data: bytes, *, thorough: bool = False) -> bytes:
    """Return the PNG without ancillary chunks whose checksum is wrong; the same object if there are none.

    thorough  also without those that Pillow cannot read, and without texts, color profile and animation: megabytes of text
              are refused together though each is valid
    """
    view = memoryview(data)
    kept = [view[:_SIGNATURE_BYTES]]
    header: list[memoryview] = []
    for kind, chunk in _chunks(view):
        if kind in (b"IHDR", b"PLTE"):
            header.append(chunk)
        if not _is_ancillary(kind) or (_is_intact(chunk) and (not thorough or _is_usable(kind, chunk, header))):
            kept.append(chunk)
    return data if sum(map(len, kept)) == len(data) else b"".join(kept)


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and bytes of each chunk; the last one may be cut short, or be all that follows the end of the image."""
    position = _SIGNATURE_BYTES
    for _ in range(_MAX_CHUNKS):
        kind = bytes(view[position + 4 : position + 8])
        if not kind.isalpha() or kind == b"IEND":
            break
        end = position + _FRAME_BYTES + int.from_bytes(view[position : position + 4], "big")
        yield kind, view[position:end]
        position = end
    if position < len(view):
        yield b"IEND", view[position:]


def _is_ancillary(kind: bytes) -> bool:
    """Whether a decoder may ignore the chunk: the first letter is lower case. Source: PNG specification, 5.4."""
    return kind[:1].islower()


def _is_intact(chunk: memoryview) -> bool:
    length = int.from_bytes(chunk[:4], "big")
    return len(chunk) == length + _FRAME_BYTES and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _is_usable(kind: bytes, chunk: memoryview, header: list[memoryview]) -> bool:
    if kind in _TEXT or kind in _ANIMATION:
        return False
    end = b"\0\0\0\0IEND\xaeB`\x82"
    try:
        PngImagePlugin.PngImageFile(io.BytesIO(b"".join((b"\x89PNG\r\n\x1a\n", *header, chunk, end))))
    except Exception:  # of any kind: the chunk has other content than its kind allows
        return False
    return True
