"""EXIF for copies whose pixels stand upright."""

import random
import struct

import pytest
from PIL import Image

from detcli.io.images.exif import upright_exif


def test_a_copy_has_no_thumbnail_and_everything_else() -> None:
    directory = struct.pack("<HHHIIHHII", 2, 0x0112, 3, 1, 8, 0x010F, 2, 4, 0x00434241)
    block = b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 200) + bytes(180)
    kept = upright_exif(b"Exif\0\0" + block)
    assert kept is not None
    assert len(kept) == len(block) + 6
    exif = Image.Exif()
    exif.load(kept)
    assert (exif[0x0112], exif[0x010F]) == (1, "ABC")
    assert not exif.get_ifd(1)


@pytest.mark.parametrize("block", [None, b"", b"Exif\0\0", b"II*\0", b"Exif\0\0XX*\0aaaa", b"II*\0" + bytes(70_000)])
def test_exif_that_is_too_long_or_invalid_is_dropped(block: bytes | None) -> None:
    assert upright_exif(block) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_becomes_upright_in_both_byte_orders(order: str) -> None:
    directory = struct.pack(f"{order}HHHIHH", 1, 0x0112, 3, 1, 6, 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    exif = Image.Exif()
    exif.load(upright_exif(head + directory + bytes(4)) or b"")
    assert exif[0x0112] == 1


def test_any_damage_gives_a_block_or_none() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "a camera", "a model"
    whole = exif.tobytes()
    random_numbers = random.Random(0)
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(random_numbers.randint(1, 6)):
            damaged[random_numbers.randrange(len(damaged))] = random_numbers.randrange(256)
        kept = upright_exif(bytes(damaged[: random_numbers.randint(0, len(damaged))]))
        assert kept is None or kept.startswith(b"Exif\0\0")
