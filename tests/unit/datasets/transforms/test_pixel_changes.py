"""Each change of pixels is what its name says, as often as asked, and the seed determines it to the byte."""

import io
from dataclasses import fields, replace
from statistics import NormalDist

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.transforms.photometric import Distortion
from detcli.datasets.transforms.pixel_changes import (
    PixelChanges,
    add_noise,
    blur,
    change_gamma,
    compress,
    rotate_hue,
)
from tests.helpers.annotated_datasets import photo

NAMES = ("hue", "gamma", "blur", "noise", "jpeg")
PIXELS = photo((61, 83), seed=4)
SMALL = photo((8, 8), seed=2)


def only(name: str, probability: float = 1.0) -> PixelChanges:
    return replace(PixelChanges(), **{name: probability})


@pytest.mark.parametrize("name", NAMES)
def test_a_change_is_applied_with_its_probability(name: str) -> None:
    settings = only(name, 0.3)
    changed = sum(settings.apply(SMALL, np.random.default_rng(seed)) is not SMALL for seed in range(1000))
    assert 250 < changed < 350


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size_hw", [(61, 83), (1, 1), (3, 200)])
def test_the_same_seed_gives_the_same_bytes_and_keeps_the_input(name: str, size_hw: tuple[int, int]) -> None:
    pixels = photo(size_hw)
    before = pixels.copy()
    first, second, other = (only(name).apply(pixels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tobytes() == second.tobytes()
    assert (first.shape, first.dtype) == (pixels.shape, np.uint8)
    assert np.array_equal(pixels, before)
    if pixels.size > 3:
        assert first.tobytes() != other.tobytes()
        assert first.tobytes() != pixels.tobytes()


def test_without_probabilities_nothing_changes_and_nothing_is_drawn() -> None:
    rng = np.random.default_rng(5)
    assert PixelChanges().apply(PIXELS, rng) is PIXELS
    assert rng.random() == np.random.default_rng(5).random()


def test_the_five_changes_are_independent_of_each_other() -> None:
    settings = replace(PixelChanges(), **dict.fromkeys(NAMES, 0.5))
    outputs = {settings.apply(SMALL, np.random.default_rng(seed)).tobytes() for seed in range(64)}
    assert len(outputs) > 50
    assert SMALL.tobytes() in {settings.apply(SMALL, np.random.default_rng(seed)).tobytes() for seed in range(200)}


def test_hue_is_that_of_photometric_distortion_with_its_own_strength() -> None:
    assert np.array_equal(rotate_hue(PIXELS, 0.2), Distortion(hue=0.2).apply(PIXELS, PIXELS))
    red = np.full((2, 2, 3), (200, 0, 0), np.uint8)
    weak = replace(only("hue"), hue_shift=0.05)
    greens = [int(weak.apply(red, np.random.default_rng(seed))[0, 0, 1:].max()) for seed in range(300)]
    assert 50 < max(greens) <= 60  # 0.05 of a rotation is 0.3 of the way from red to yellow
    assert min(greens) < 5


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.2])
def test_gamma_raises_the_fraction_of_255_to_the_exponent(exponent: float) -> None:
    exact = 255 * (PIXELS / 255) ** exponent
    assert np.abs(change_gamma(PIXELS, exponent) - exact).max() <= 0.5 + 1e-9


def test_gamma_makes_images_as_often_darker_as_brighter() -> None:
    gray = np.full((2, 2, 3), 128, np.uint8)
    levels = [int(only("gamma").apply(gray, np.random.default_rng(seed))[0, 0, 0]) for seed in range(400)]
    assert 160 < sum(level < 128 for level in levels) < 240
    assert 88 <= min(levels) < 95
    assert 155 < max(levels) <= 161


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_blur_spreads_a_point_by_its_standard_deviation(sigma: float) -> None:
    point = np.zeros((31, 31, 3), np.uint8)
    point[13:18, 13:18] = 255
    spread = blur(point, sigma)[:, :, 0].astype(float)
    positions = np.arange(31) - 15
    variance = (
        spread.sum(axis=0) * positions**2
    ).sum() / spread.sum() - 2  # a square of five pixels has the variance 2
    assert abs(variance**0.5 - sigma) < 0.15
    assert np.array_equal(blur(np.full((9, 9, 3), 77, np.uint8), sigma), np.full((9, 9, 3), 77, np.uint8))


@pytest.mark.parametrize("sigma", [2.0, 6.0, 25.0])
def test_noise_has_its_standard_deviation_and_does_not_shift(sigma: float) -> None:
    gray = np.full((200, 200, 3), 128, np.uint8)
    noise = add_noise(gray, sigma, np.random.default_rng(3)).astype(float) - 128
    assert abs(noise.mean()) < sigma / 50
    assert abs(noise.std() / sigma - 1) < 0.03
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02, "independent channels"
    expected = 2 * NormalDist().cdf((np.ceil(sigma) - 0.5) / sigma) - 1  # of rounded values below the deviation
    assert abs((np.abs(noise) < sigma).mean() - expected) < 0.02


def test_noise_ends_at_black_and_white() -> None:
    for level in (0, 255):
        plain = np.full((20, 20, 3), level, np.uint8)
        assert np.abs(add_noise(plain, 20, np.random.default_rng(0)).astype(int) - level).max() < 80


@pytest.mark.parametrize("quality", [1, 30, 90, 100])
def test_jpeg_equals_a_file_of_this_quality(quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", quality=quality)
    assert np.array_equal(compress(PIXELS, quality), np.asarray(Image.open(file)))


@pytest.mark.parametrize("name", NAMES)
def test_strengths_stay_within_their_range(name: str) -> None:
    """A range of a single value gives the change of exactly this strength."""
    exact = {
        "gamma": ({"gamma_range": (2.0, 2.0)}, change_gamma(PIXELS, 2.0)),
        "blur": ({"blur_sigma": (1.5, 1.5)}, blur(PIXELS, 1.5)),
        "jpeg": ({"jpeg_quality": (40, 40)}, compress(PIXELS, 40)),
        "hue": ({"hue_shift": 0.0}, PIXELS),
        "noise": ({"noise_sigma": (0.0, 0.0)}, PIXELS),
    }
    settings, expected = exact[name]
    output = replace(only(name), **settings).apply(PIXELS, np.random.default_rng(9))
    assert np.abs(output.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_a_probability_outside_0_to_1_is_rejected(name: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be a probability"):
        only(name, wrong)


def test_every_change_is_off_by_default() -> None:
    assert {entry.name for entry in fields(PixelChanges) if entry.name in NAMES} == set(NAMES)
    assert all(getattr(PixelChanges(), name) == 0 for name in NAMES)
