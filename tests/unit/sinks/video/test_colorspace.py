import numpy as np
import numpy.typing as npt
import pytest

from detcli.sinks.video.colorspace import Yuv420Converter
from detcli.structures.frame import Pixels


def planes_of(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """The three planes, stacked vertically: uint8 [H * 3 / 2, W]."""
    return Yuv420Converter()(pixels).to_ndarray()


@pytest.mark.parametrize("size_hw", [(4, 4), (4, 6), (98, 130), (96, 128), (4, 500), (500, 2)])
def test_planes_equal_the_formulas_of_bt_601(size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    pixels = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    red, green, blue = np.moveaxis(pixels / 255, 2, 0)
    light = 16 + 65.481 * red + 128.553 * green + 24.966 * blue
    mean = pixels.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)) / 255
    red, green, blue = np.moveaxis(mean, 2, 0)
    colors = (128 - 37.797 * red - 74.203 * green + 112 * blue, 128 + 112 * red - 93.786 * green - 18.214 * blue)
    expected = np.concatenate([light.ravel(), *(plane.ravel() for plane in colors)])
    assert np.abs(planes_of(pixels).ravel() - expected).max() < 1


def test_rows_do_not_depend_on_how_threads_divide_the_frame() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    parts = [planes_of(pixels[top : top + 12])[:12] for top in range(0, 1080, 12)]
    np.testing.assert_array_equal(planes_of(pixels)[:1080], np.concatenate(parts))


def test_frames_of_one_size_are_independent() -> None:
    converter, rng = Yuv420Converter(), np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (98, 130, 3), np.uint8) for _ in range(3)]
    frames = [converter(image) for image in pixels]
    for image, frame in zip(pixels, frames, strict=True):
        np.testing.assert_array_equal(frame.to_ndarray(), planes_of(image))


def test_four_pixels_share_the_mean_of_their_colors() -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (255, 0, 0), (0, 0, 255)
    colors = planes_of(pixels)[4:].reshape(2, 2, 4)
    np.testing.assert_allclose(colors[0], (90 + 240) / 2, atol=1)
    np.testing.assert_allclose(colors[1], (240 + 110) / 2, atol=1)


def test_black_and_white_have_the_values_of_the_limited_range() -> None:
    for value, lightness in ((0, 16), (255, 235)):
        planes = planes_of(np.full((4, 4, 3), value, np.uint8))
        np.testing.assert_array_equal(planes[:4], lightness)
        np.testing.assert_array_equal(planes[4:], 128)
