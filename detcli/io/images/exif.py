"""EXIF for a copy with upright pixels: orientation 1, without the embedded thumbnail."""

import struct

_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_MAX_BYTES = 0xFFFF - 2  # bytes of a JPEG segment


def upright_exif(exif: bytes | None) -> bytes | None:
    """The EXIF block with orientation 1 and without a thumbnail; None if it is missing or invalid.

    exif  with or without the prefix of JPEG; the result always has it

    All other bytes keep their position, so that maker notes with absolute offsets stay readable.
    """
    if not exif:
        return None
    block = bytearray(exif.removeprefix(_PREFIX))
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None or len(block) + len(_PREFIX) > _MAX_BYTES:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start)
        for entry in range(start + 2, start + 2 + 12 * entries, 12):
            (tag,) = struct.unpack_from(f"{order}H", block, entry)
            if tag == _ORIENTATION:
                struct.pack_into(f"{order}HIHH", block, entry + 2, 3, 1, 1, 0)  # one SHORT: 1
        struct.pack_into(
            f"{order}I", block, start + 2 + 12 * entries, 0
        )  # no second directory, which has the thumbnail
    except struct.error:
        return None
    return _PREFIX + bytes(block)
