"""PNG files that every reader accepts, without loss, of any size."""

import io

import numpy as np
import pytest
from PIL import Image

from detcli.sinks.images import encode_image
from detcli.sinks.images.encode_image import encode_gray, encode_palette, encode_png

SIZES = [(1, 1), (1, 7), (5, 1), (48, 64), (3, 4000)]


def decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        image.verify()  # the checksums
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("size_hw", SIZES)
def test_every_pixel_of_a_png_is_the_original(size_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for pixels in (rng.integers(0, 256, (*size_hw, 3), np.uint8), np.full((*size_hw, 3), (255, 0, 7), np.uint8)):
        np.testing.assert_array_equal(decoded(encode_png(pixels)), pixels)


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_gray_values_of_8_and_16_bits_are_kept(size_hw: tuple[int, int], kind: type) -> None:
    values = np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, size_hw, kind)
    read = decoded(encode_gray(values))
    assert read.dtype.itemsize == values.dtype.itemsize
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("size_hw", SIZES)
def test_values_of_an_indexed_png_are_kept_and_have_colors(size_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    values, palette = rng.integers(0, 256, size_hw, np.uint8), rng.integers(0, 256, (256, 3), np.uint8)
    data = encode_palette(values, palette)
    np.testing.assert_array_equal(decoded(data), values)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), palette[values])


@pytest.mark.parametrize("block", [1, 100, 1000])
def test_blocks_of_rows_join_without_a_seam(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 11, 3), np.uint8)
    monkeypatch.setattr(encode_image, "_BLOCK_BYTES", block)
    np.testing.assert_array_equal(decoded(encode_png(pixels)), pixels)
    np.testing.assert_array_equal(decoded(encode_png(pixels[:, ::-1])), pixels[:, ::-1])


def test_flat_areas_are_compressed() -> None:
    assert len(encode_png(np.full((480, 640, 3), 90, np.uint8))) < 480 * 640 * 3 / 100
    assert len(encode_gray(np.full((480, 640), 7, np.uint16))) < 480 * 640 * 2 / 100
