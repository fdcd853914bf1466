import av
import numpy as np
import pytest

from detcli.sinks.video.colorspace import to_yuv420


@pytest.mark.parametrize("size_hw", [(2, 2), (2, 6), (98, 130), (96, 128)])
def test_planes_equal_those_of_ffmpeg(size_hw: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8).repeat(2, 0).repeat(2, 1)
    frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
    theirs = frame.reformat(format="yuv420p", dst_colorspace="ITU601", interpolation="AREA").to_ndarray()
    assert to_yuv420(pixels).shape == theirs.shape
    assert np.abs(to_yuv420(pixels).astype(int) - theirs).max() <= 2


def test_four_pixels_share_the_mean_of_their_colors() -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (255, 0, 0), (0, 0, 255)
    colors = to_yuv420(pixels)[4:].reshape(2, 2, 4)
    np.testing.assert_allclose(colors[0], (90 + 240) / 2, atol=1)
    np.testing.assert_allclose(colors[1], (240 + 110) / 2, atol=1)


def test_black_and_white_have_the_values_of_the_limited_range() -> None:
    for value, lightness in ((0, 16), (255, 235)):
        planes = to_yuv420(np.full((4, 4, 3), value, np.uint8))
        np.testing.assert_array_equal(planes[:4], lightness)
        np.testing.assert_array_equal(planes[4:], 128)
