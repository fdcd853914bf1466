"""EXIF of a copy whose pixels stand upright: the orientation says so, the embedded thumbnail is let go of."""

import struct

_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_LONGEST = 0xFFFF - 2  # bytes of a JPEG segment


def upright_exif(exif: bytes | None) -> bytes | None:
    """The block with orientation 1 and without a thumbnail; None where there is none or it is broken.

    exif  with or without the prefix that JPEG puts before it; the answer always has it

    Everything else stays where it was, byte for byte, so that makers' notes with absolute offsets stay readable.
    """
    if not exif:
        return None
    block = bytearray(exif.removeprefix(_PREFIX))
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None or len(block) + len(_PREFIX) > _LONGEST:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start)
        for entry in range(start + 2, start + 2 + 12 * entries, 12):
            (tag,) = struct.unpack_from(f"{order}H", block, entry)
            if tag == _ORIENTATION:
                struct.pack_into(f"{order}HIHH", block, entry + 2, 3, 1, 1, 0)  # one SHORT: 1
        struct.pack_into(f"{order}I", block, start + 2 + 12 * entries, 0)  # no second directory: the thumbnail's
    except struct.error:
        return None
    return _PREFIX + bytes(block)
