"""The outline of a mask, drawn again, is the mask."""

import numpy as np
import pytest

from detcli.datasets.instance_masks import draw_outline, read_outline
from detcli.sinks.ground_truth.mask_outline import mask_outline
from detcli.structures.masks import Rle


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("size", [1, 3])
def test_the_outline_of_any_mask_gives_the_mask(share: float, size: int) -> None:
    random = np.random.default_rng(size)
    for _ in range(60):
        pixels = np.kron(random.random(random.integers(1, 20, 2)) < share, np.ones((size, size), np.bool_))
        points, is_whole = mask_outline(Rle.of(pixels))
        assert is_whole
        if not pixels.any():
            assert points.shape == (0, 2)
            continue
        outline = read_outline([points.reshape(-1).astype(float).tolist()])
        assert outline is not None
        assert np.array_equal(draw_outline(outline, pixels.shape).decode(), pixels)


def test_a_rectangle_has_four_corners_at_its_edges() -> None:
    pixels = np.zeros((20, 30), np.bool_)
    pixels[4:9, 6:30] = True
    points, is_whole = mask_outline(Rle.of(pixels))
    assert is_whole
    assert sorted(map(tuple, points.tolist())) == [(6, 4), (6, 9), (30, 4), (30, 9)]


def test_of_very_many_specks_the_largest_parts_stay() -> None:
    pixels = np.zeros((100, 100), np.bool_)
    pixels[::4, ::4] = True  # 625 single pixels
    pixels[50:70, 50:70] = True
    points, is_whole = mask_outline(Rle.of(pixels))
    assert not is_whole
    assert len(points) < 200 * 8
    assert {(50, 50), (70, 70)} <= set(map(tuple, points.tolist()))
