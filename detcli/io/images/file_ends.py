"""Whether the end of a JPEG, GIF, BMP or PPM is missing, by the structure of its bytes; uses no decoder."""

import re
import struct

_JPEG_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers without data
_PPM_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*(-?[\d.]+)")
_UNCOMPRESSED = (0, 3, 6)  # compression of a BMP: none, with masks of bits


def is_jpeg_cut_short(data: bytes) -> bool:
    """Whether the first image of a JPEG has no end; what follows it, a second image or padding, does not matter."""
    position = 2
    while data[position : position + 1] == b"\xff":
        marker = data[position + 1 : position + 2]
        if marker == b"\xda":
            return data.find(b"\xff\xd9", position) < 0
        if marker == b"\xff":  # padding before a marker
            position += 1
        elif marker and marker[0] in _JPEG_WITHOUT_LENGTH:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position >= len(data) or data.find(b"\xff\xd9", position) < 0


def is_gif_cut_short(data: bytes) -> bool:
    """Whether the blocks of a GIF end before its trailer."""
    try:
        position = 13 + _color_table(data[10])
        while data[position] != 0x3B:
            if data[position] == 0x21:
                position += 2
            elif data[position] == 0x2C:
                position += 11 + _color_table(data[position + 9])
            else:  # damage: only the end can tell
                return not data.rstrip(b"\0").endswith(b";")
            while data[position]:
                position += 1 + data[position]
            position += 1
    except IndexError:
        return True
    return False


def _color_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def is_bmp_cut_short(data: bytes) -> bool:
    """Whether a BMP is shorter than its header says, or than its pixels need."""
    try:
        size, start, header = int.from_bytes(data[2:6], "little"), *struct.unpack_from("<II", data, 10)
        if header == 12:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            compression = 0
        else:
            width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    except struct.error:
        return True
    needed = start + (width * bits + 31) // 32 * 4 * abs(height) if compression in _UNCOMPRESSED else 0
    return max(size, needed) > len(data)


def is_ppm_cut_short(data: bytes) -> bool:
    """Whether a PPM, PGM, PBM or PFM has fewer samples than its header says."""
    kind = data[1:2]
    numbers, position = [], 2
    for _ in range(2 if kind in (b"1", b"4") else 3):
        match = _PPM_NUMBER.match(data, position)
        if match is None or match.end() >= len(data):
            return True
        numbers.append(float(match[1]) if match[1].count(b".") < 2 and match[1].strip(b"-.") else 0.0)
        position = match.end()
    samples = int(numbers[0]) * int(numbers[1]) * (3 if kind in (b"3", b"6", b"F") else 1)
    if kind in (b"1", b"2", b"3"):
        text = re.sub(rb"#[^\r\n]*", b"", data[position:])
        return (len(b"".join(text.split())) if kind == b"1" else len(text.split())) < samples
    if kind == b"4":
        needed = (int(numbers[0]) + 7) // 8 * int(numbers[1])
    else:
        needed = samples * (4 if kind in (b"f", b"F") else 2 if numbers[2] > 255 else 1)
    return position + 1 + needed > len(data)
