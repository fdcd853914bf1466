"""Kinds of image formats that no decoder here reads, recognized by the header: such a file is not damaged."""

import struct

_LOSSLESS_OR_HIERARCHICAL = (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)
_BMP_BITS, _BMP_COMPRESSIONS = (1, 4, 8, 16, 24, 32), (0, 1, 2, 3)
_TIFF_TAGS = {258: "bits", 259: "compression", 277: "samples", 339: "sample_format"}
_TIFF_COMPRESSIONS = {
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    32771,
    32773,
    32809,
    32895,
    32946,
    34661,
    34676,
    34677,
    34925,
    50000,
    50001,
}


def unsupported_kind(name: str, data: bytes) -> str | None:
    """What makes a file one of a kind that cannot be decoded: "12 bits per sample"; None if the header is of a usual kind.

    name  Pillow's name of the format
    """
    readers = {"JPEG": _jpeg, "BMP": _bmp, "TIFF": _tiff, "PPM": _netpbm}
    try:
        return readers[name](data) if name in readers else None
    except (struct.error, IndexError, ValueError):
        return None  # the header itself is damaged


def _jpeg(data: bytes) -> str | None:
    position = 2
    while position + 10 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        length, bits = struct.unpack_from(">HB", data, position + 2)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            channels = data[position + 9]
            if marker in _LOSSLESS_OR_HIERARCHICAL:
                return "lossless or hierarchical coding"
            if bits != 8:
                return f"{bits} bits per sample"
            return None if channels in (1, 3, 4) else f"{channels} channels"
        if marker in (0xD9, 0xDA):
            return None
        position += 2 + length
    return None


def _bmp(data: bytes) -> str | None:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        (bits,) = struct.unpack_from("<H", data, 24)
        compression = 0
    else:
        bits, compression = struct.unpack_from("<HI", data, 28)
    if compression not in _BMP_COMPRESSIONS:
        return f"compression {compression}"
    return None if bits in _BMP_BITS else f"{bits} bits per pixel"


def _tiff(data: bytes) -> str | None:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or struct.unpack_from(f"{order}H", data, 2) != (42,):
        return None
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    values: dict[str, int] = {}
    for number in range(count):
        entry = start + 2 + 12 * number
        tag, kind, items = struct.unpack_from(f"{order}HHI", data, entry)
        if tag in _TIFF_TAGS and kind == 3:
            (place,) = struct.unpack_from(f"{order}I", data, entry + 8)
            at = entry + 8 if items <= 2 else place
            (values[_TIFF_TAGS[tag]],) = struct.unpack_from(f"{order}H", data, at)
    if values.get("compression", 1) not in _TIFF_COMPRESSIONS:
        return f"compression {values['compression']}"
    if values.get("sample_format", 1) != 1:
        return "samples that are not unsigned integers"
    if values.get("bits", 1) not in (1, 2, 4, 8, 16):
        return f"{values['bits']} bits per sample"
    return None if values.get("samples", 1) <= 4 else f"{values['samples']} samples per pixel"


def _netpbm(data: bytes) -> str | None:
    return {b"PF": "floating-point samples", b"Pf": "floating-point samples", b"P7": "the format PAM"}.get(data[:2])
