"""Brush masks are decoded to the pixels that were painted; what is damaged is no mask."""

import numpy as np
import pytest

from detcli.datasets.formats.label_studio.brush_masks import decode_brush
from tests.helpers.label_studio_exports import packed


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_painted_pixels_are_the_mask(seed: int, literal: bool) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((int(rng.integers(1, 20)), int(rng.integers(1, 300)))) < rng.random()
    decoded = decode_brush(packed(mask, literal=literal), (mask.shape[0], mask.shape[1]))
    assert decoded is not None
    assert np.array_equal(decoded.decode(), mask)


def test_a_cut_or_changed_mask_is_none_or_of_the_image_size() -> None:
    mask = np.random.default_rng(0).random((9, 11)) < 0.4
    data = packed(mask)
    assert all(decode_brush(data[:end], (9, 11)) is None for end in range(len(data) - 2))
    rng = np.random.default_rng(1)
    for _ in range(200):
        changed = list(data)
        changed[int(rng.integers(len(data)))] = int(rng.integers(256))
        found = decode_brush(changed, (9, 11))
        assert found is None or found.size_hw == (9, 11)


@pytest.mark.parametrize("rle", [None, [], "rle", [256], [-1], [1.5], ["a"], [[1]], [255] * 9])
def test_what_is_no_mask_is_none(rle: object) -> None:
    assert decode_brush(rle, (9, 11)) is None


def test_a_mask_of_another_size_is_none() -> None:
    data = packed(np.ones((9, 11), np.bool_))
    assert decode_brush(data, (9, 12)) is None
    assert decode_brush(data, (1 << 20, 1 << 20)) is None
