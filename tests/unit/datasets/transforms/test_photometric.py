"""Color changes equal Pillow's enhancers within two levels."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from detcli.datasets.transforms.photometric import Distortion
from detcli.structures.frame import Pixels
from tests.helpers.annotated_datasets import photo

PIXELS = photo((90, 120), seed=4)


def by_pillow(kind: type, factor: float) -> Pixels:
    return np.asarray(kind(Image.fromarray(PIXELS)).enhance(factor))


@pytest.mark.parametrize("factor", [0.5, 0.875, 1.0, 1.125, 1.5])
def test_brightness_contrast_and_saturation_match_pillow(factor: float) -> None:
    for kind, distortion in (
        (ImageEnhance.Brightness, Distortion(brightness=factor)),
        (ImageEnhance.Contrast, Distortion(contrast=factor)),
        (ImageEnhance.Color, Distortion(saturation=factor)),
    ):
        difference = distortion.apply(PIXELS, PIXELS).astype(int) - by_pillow(kind, factor)
        assert np.abs(difference).max() <= 2, kind


def test_hue_turns_red_to_green_at_a_third_and_back_at_a_full_rotation() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    turned = Distortion(hue=1 / 3).apply(red, red)
    assert turned[0, 0, 1] == 200
    assert turned[0, 0, [0, 2]].max() <= 8  # hue has 256 steps
    near, far = Distortion(hue=0.04).apply(PIXELS, PIXELS), Distortion(hue=-0.96).apply(PIXELS, PIXELS)
    assert np.abs(near.astype(int) - far).max() <= 12


def test_channels_are_taken_in_the_drawn_order() -> None:
    assert np.array_equal(Distortion(channels=(2, 0, 1)).apply(PIXELS, PIXELS), PIXELS[..., [2, 0, 1]])


def test_contrast_of_a_crop_uses_the_mean_gray_of_the_complete_image() -> None:
    distortion = Distortion(brightness=0.9, contrast=1.4)
    whole = distortion.apply(PIXELS, PIXELS)
    assert np.array_equal(distortion.apply(PIXELS[:20, :30], PIXELS), whole[:20, :30])


def test_contrast_is_applied_before_or_after_the_colors_as_drawn() -> None:
    first, last = (
        Distortion(contrast=1.5, saturation=1.5, contrast_first=first).apply(PIXELS, PIXELS) for first in (True, False)
    )
    assert not np.array_equal(first, last)


def test_each_of_the_five_changes_has_the_probability() -> None:
    drawn = [Distortion.draw(0.25, np.random.default_rng(seed)) for seed in range(2000)]
    for name in ("brightness", "contrast", "saturation", "hue", "channels"):
        share = np.mean([getattr(distortion, name) is not None for distortion in drawn])
        assert 0.2 < share < 0.3, name
    hues = [distortion.hue for distortion in drawn if distortion.hue is not None]
    assert -0.05 <= min(hues) < -0.045
    assert 0.045 < max(hues) <= 0.05
    assert 0.45 < np.mean([distortion.contrast_first for distortion in drawn]) < 0.55


def test_without_changes_the_pixels_stay_the_same() -> None:
    assert Distortion.draw(0.0, np.random.default_rng(0)) in (Distortion(), Distortion(contrast_first=False))
    assert Distortion().apply(PIXELS, PIXELS) is PIXELS
