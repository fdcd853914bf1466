"""Pairs of images that look almost the same are found in every position, and different ones are not."""

import numpy as np
import pytest
from PIL import Image

from detcli.inspection.near_duplicates import ImagePrints, similar_pairs
from detcli.inspection.thumbnails import SIDE
from detcli.structures.frame import Pixels
from tests.helpers.data_parts import scene


def thumbnail(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def thumbnail_of(seed: int) -> Pixels:
    return thumbnail(Image.fromarray(scene(seed)))


def pairs_of(*thumbnails: Pixels) -> list[tuple[int, int]]:
    prints = ImagePrints.of(np.stack(thumbnails))
    return similar_pairs(prints, np.arange(len(thumbnails)))


@pytest.mark.parametrize("turn", list(Image.Transpose), ids=lambda turn: turn.name)
@pytest.mark.parametrize("seed", range(3))
def test_a_turned_image_is_found(turn: Image.Transpose, seed: int) -> None:
    image = Image.fromarray(scene(seed))
    others = [thumbnail_of(100 + number) for number in range(4)]
    assert pairs_of(*others, thumbnail(image), thumbnail(image.transpose(turn))) == [(4, 5)]


def test_different_images_are_no_pairs() -> None:
    assert pairs_of(*(thumbnail_of(seed) for seed in range(200))) == []


def test_one_coarse_pattern_with_other_details_is_no_pair() -> None:
    """As X-rays of two people, or two pages of one form."""
    coarse = np.asarray(Image.fromarray(scene(0)).resize((4, 4)).resize((128, 96), Image.Resampling.BICUBIC), float)
    random = np.random.default_rng(0)
    images = []
    for _ in range(6):
        fine = np.kron(random.integers(-30, 31, (24, 32, 1)), np.ones((4, 4, 3)))
        images.append(thumbnail(Image.fromarray((coarse + fine).clip(0, 255).astype(np.uint8))))
    assert pairs_of(*images) == []


def test_plain_images_are_pairs_only_if_they_are_equal() -> None:
    slope = np.linspace(0, 200, SIDE)
    slopes = [slope * scale + offset for scale, offset in ((1, 0), (0.5, 0), (1, 50), (1, 0.4))]
    images = [np.rint(values[None, :]).repeat(SIDE, 0).astype(np.uint8) for values in slopes]
    assert pairs_of(*images) == [(0, 3)]
    assert pairs_of(*(np.full((SIDE, SIDE), level, np.uint8) for level in (0, 0, 255))) == []


def test_rows_are_compared_with_columns_only() -> None:
    prints = ImagePrints.of(np.stack([thumbnail_of(seed) for seed in (1, 2, 1, 2)]))
    assert similar_pairs(prints, np.array([2, 3]), np.array([0, 1])) == [(2, 0), (3, 1)]
    assert similar_pairs(prints, np.array([2, 3])) == []
    assert similar_pairs(prints, np.array([], np.int64)) == []


def test_many_equal_images_have_few_pairs() -> None:
    """Frames of a camera that does not move: all are connected, without a pair for each two of them."""
    pairs = pairs_of(*[thumbnail_of(1)] * 300)
    assert len(pairs) <= 8 * 300
    assert {image for pair in pairs for image in pair} == set(range(300))
