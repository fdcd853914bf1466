"""Bands of a TIFF have exactly the pixels of the whole image, and what cannot be read in bands is read as before."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.shapes import draw
from detcli.errors import ImageError
from detcli.io.images.decode import decode
from detcli.io.images.read_frame import read_frame
from detcli.io.images.tiff_bands import open_bands
from detcli.structures.frame import BandedResize, FailedFrame, Frame, Origin, Pixels
from tests.helpers.tiff_files import tiled_tiff

MAX = 1 << 20
LIMIT: dict[str, Any] = {"max_pixels": MAX}


def drawn_image(mode: str = "RGB") -> Image.Image:
    image = Image.fromarray(draw(1, 0)[0]).resize((143, 211))
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def tiff(mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    drawn_image(mode).save(file, "TIFF", **options)
    return file.getvalue()


def rows(count: int) -> dict[int, int]:
    return {278: count}


CASES = {
    f"{mode} {compression} {strip}": tiff(mode, compression=compression, tiffinfo=rows(strip))
    for mode in ("RGB", "L", "RGBA", "P", "1", "I;16", "CMYK", "LA")
    for compression, strip in (("raw", 16), ("raw", 211), ("tiff_lzw", 16), ("tiff_adobe_deflate", 7), ("packbits", 50))
} | {
    "jpeg": tiff(compression="jpeg", tiffinfo=rows(16)),
    "group4": tiff("1", compression="group4", tiffinfo=rows(20)),
    "predictor": tiff(compression="tiff_lzw", tiffinfo={278: 16, 317: 2}),
    "tiles": tiled_tiff(np.asarray(drawn_image()), (32, 48), compressed=False),
    "deflated tiles": tiled_tiff(np.asarray(drawn_image()), (64, 64), compressed=True),
    "big-endian tiles": tiled_tiff(np.asarray(drawn_image()), (32, 64), compressed=True, big_endian=True),
}


@pytest.mark.parametrize("name", CASES)
def test_bands_have_the_pixels_of_the_whole_image(name: str) -> None:
    whole = decode(CASES[name], **LIMIT).pixels
    bands = open_bands(CASES[name], **LIMIT)
    if bands is None:
        pytest.fail(f"{name} is not read in bands")
    assert bands.size_hw == whole.shape[:2]
    for top, bottom in ((0, 40), (33, 97), (100, 101), (150, 211), (0, 211)):
        assert np.array_equal(bands.read(top, bottom), whole[top:bottom])


def test_other_images_are_decoded_as_a_whole() -> None:
    png = io.BytesIO()
    drawn_image().save(png, "PNG")
    one_strip = tiff(compression="tiff_lzw", tiffinfo=rows(211))
    turned = tiff(compression="raw", tiffinfo=rows(16) | {274: 6})
    for data in (png.getvalue(), one_strip, turned, b"", b"II*\0", tiff()[:-40], tiff()[:500]):
        assert open_bands(data, **LIMIT) is None
    assert open_bands(CASES["tiles"], max_pixels=100) is None, "the size is refused by the decoder"


def read(data: bytes, *, takes: bool) -> Frame | FailedFrame:
    def resize(image: Image.Image) -> Pixels:
        return np.asarray(image)

    return read_frame(
        Origin(0, "a", "a", "a"), lambda: data, resize=BandedResize(resize, lambda size_hw: takes), **LIMIT
    )


def test_a_frame_has_bands_only_where_the_detector_takes_them() -> None:
    banded, whole = read(CASES["jpeg"], takes=True), read(CASES["jpeg"], takes=False)
    assert isinstance(banded, Frame)
    assert isinstance(whole, Frame)
    assert banded.bands is not None
    assert (banded.pixels, banded.prepared, whole.bands) == (None, None, None)
    assert banded.size_hw == whole.size_hw


def test_damaged_files_fail_as_without_bands() -> None:
    cut = CASES["deflated tiles"][:3000]
    assert read(cut, takes=True) == read(cut, takes=False)
    damaged = bytearray(CASES["deflated tiles"])
    damaged[8:40] = bytes(32)  # the start of the first tile
    with pytest.raises(ImageError):
        decode(bytes(damaged), **LIMIT)
    bands = open_bands(bytes(damaged), **LIMIT)
    assert bands is not None
    with pytest.raises(ImageError):
        bands.read(0, 10)
    assert bands.read(100, 211).shape == (111, 143, 3), "other bands are intact"
