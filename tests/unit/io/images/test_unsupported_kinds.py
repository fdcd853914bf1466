"""Kinds of images that cannot be decoded are told from damaged files by their bytes, not by the words of a decoder."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from detcli.errors import ImageError
from detcli.io.images.decode import decode
from detcli.io.images.unsupported_kinds import unsupported_kind


def saved(name: str, mode: str = "RGB") -> bytearray:
    file = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).convert(mode).save(file, name)
    return bytearray(file.getvalue())


def jpeg(*, marker: int = 0xC0, bits: int = 8, channels: int = 3) -> bytes:
    data = saved("JPEG")
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4], data[place + 9] = marker, bits, channels
    return bytes(data)


def bmp(*, bits: int = 24, compression: int = 0) -> bytes:
    data = saved("BMP")
    struct.pack_into("<HI", data, 28, bits, compression)
    return bytes(data)


def tiff(tag: int, value: int) -> bytes:
    data = saved("TIFF")
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    places = {struct.unpack_from("<H", data, start + 2 + 12 * n)[0]: start + 2 + 12 * n for n in range(count)}
    struct.pack_into("<HHII", data, places[tag], tag, 3, 1, value)
    return bytes(data)


KINDS = [
    ("JPEG", jpeg(bits=12), "12 bits per sample"),
    ("JPEG", jpeg(marker=0xC3), "lossless or hierarchical coding"),
    ("JPEG", jpeg(channels=2), "2 channels"),
    ("BMP", bmp(compression=4), "compression 4"),
    ("BMP", bmp(bits=13), "13 bits per pixel"),
    ("TIFF", tiff(259, 34712), "compression 34712"),
    ("TIFF", tiff(258, 12), "12 bits per sample"),
    ("PPM", b"PF\n2 2\n-1.0\n" + bytes(48), "floating-point samples"),
]


@pytest.mark.parametrize(("name", "data", "kind"), KINDS)
def test_a_kind_that_cannot_be_decoded_is_named_by_its_header(name: str, data: bytes, kind: str) -> None:
    assert unsupported_kind(name, data) == kind


@pytest.mark.parametrize(("name", "data", "kind"), [kind for kind in KINDS if kind[0] != "PPM"])
def test_it_is_unsupported_and_not_damaged(name: str, data: bytes, kind: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(data, max_pixels=1000)
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("name", ["JPEG", "BMP", "TIFF", "PPM", "PNG", "GIF", "WEBP"])
def test_usual_images_are_of_a_supported_kind(name: str) -> None:
    data = bytes(saved(name))
    assert unsupported_kind(name, data) is None
    for end in range(0, len(data), 7):
        unsupported_kind(name, data[:end])  # whatever is missing, it raises nothing


def test_a_damaged_image_whose_text_says_unsupported_is_damaged() -> None:
    data = saved("PNG")
    place = data.index(b"IDAT")
    data[place + 6 : place + 14] = b"not supp"
    with pytest.raises(ImageError) as caught:
        decode(bytes(data), max_pixels=1000)
    assert caught.value.code in ("decode-failed", "truncated")
