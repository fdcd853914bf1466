"""What the first and last bytes of a file tell."""

import random

import pytest

from detcli.errors import ImageError
from detcli.io.images.formats import IMAGE_SUFFIXES, SUFFIX_OF, check_head, image_format, is_cut_short


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"RIFF\1\0\0\0WEBPVP8 ", "WEBP"),
        (b"GIF87a", "GIF"),
        (b"BM" + bytes(12) + b"\x7c\0\0\0", "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
        (b"\xff\x4f\xff\x51", "JPEG2000"),
        (b"P5\n# made by hand\n8 8", "PPM"),
        (b"P6 640 480", "PPM"),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1miaf", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0avifmiaf", "AVIF"),
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0heicmiaf", "HEIF"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomavc1", None),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", None),
        (b"RIFF\1\0\0\0AVI LIST", None),
        (b"BMW/a.jpg\n", None),
        (b"P6\na.jpg\n", None),
        (b"", None),
    ],
)
def test_a_format_is_recognized_by_its_first_bytes(head: bytes, name: str | None) -> None:
    assert image_format(head) == name


def test_every_format_has_a_suffix_that_folders_are_searched_for() -> None:
    assert {suffix.removeprefix(".") for suffix in SUFFIX_OF.values()} <= set(IMAGE_SUFFIXES)


@pytest.mark.parametrize("name", SUFFIX_OF)
def test_any_bytes_are_checked_for_truncation_without_an_error(name: str) -> None:
    random_numbers = random.Random(name)
    for _ in range(300):
        head = random_numbers.choice([b"", b"II*\0", b"MM\0*", b"RIFF", b"\0\0\0\x0c"])
        data = head + random_numbers.randbytes(random_numbers.randint(0, 80))
        assert is_cut_short(name, data) in (True, False)


def test_any_first_bytes_are_an_image_or_an_image_error() -> None:
    random_numbers = random.Random(0)
    for _ in range(500):
        head = random_numbers.randbytes(random_numbers.randint(1, 64))
        if image_format(head) is None:
            with pytest.raises(ImageError, match=r"imag|support|text|file|archive|document"):
                check_head(head)
