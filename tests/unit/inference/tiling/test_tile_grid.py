"""Where tiles are, and which settings are refused."""

from typing import Any

import numpy as np
import pytest

import detcli
from detcli.inference.images.tiling.tile_grid import count_tiles, tile_rows
from detcli.inference.images.tiling.tile_settings import TileSettings, tile_settings

SIZES = [(64, 65), (65, 64), (64, 1000), (333, 517), (1000, 40), (2000, 3000), (129, 129)]


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.2, 0.5, 0.9])
def test_tiles_cover_the_image_and_overlap_enough(size_hw: tuple[int, int], overlap: float) -> None:
    tiles = TileSettings(64, overlap)
    rows = tile_rows(size_hw, tiles)
    covered = np.zeros(size_hw, np.bool_)
    for left, top, right, bottom in (region for row in rows for region in row):
        assert (bottom - top, right - left) == tuple(min(64, side) for side in size_hw)
        covered[top:bottom, left:right] = True
    assert covered.all()
    starts = [[left for left, *_ in rows[0]], [row[0][1] for row in rows]]
    for positions in starts:
        assert all(step <= 64 - tiles.overlap_pixels for step in np.diff(positions))
    assert count_tiles(size_hw, tiles) == sum(map(len, rows))
    assert count_tiles(size_hw, TileSettings(64, overlap, and_full=True)) == sum(map(len, rows)) + 1


def test_an_image_that_is_not_larger_than_a_tile_is_one() -> None:
    assert not TileSettings(64).cuts((64, 64))
    assert TileSettings(64).cuts((64, 65))
    assert count_tiles((64, 64), TileSettings(64, 0.2, and_full=True)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((31, None, False), "`tile` must be at least 32, not 31"),
        ((0, None, False), "`tile` must be at least 32, not 0"),
        ((200_000, None, False), "`tile` must be at most 100000, not 200000"),
        ((640, 1.5, False), "`tile_overlap` must be a share of the tile's side from 0 to 0.9, not 1.5; 1.5 pixels are"),
        ((640, 128, False), "from 0 to 0.9, not 128; 128 pixels are 0.2"),
        ((640, 640, False), "`tile_overlap` must be a share of the tile's side from 0 to 0.9, not 640"),
        ((640, -0.1, False), "`tile_overlap` must be a share of the tile's side from 0 to 0.9, not -0.1"),
        ((640, float("nan"), False), "`tile_overlap` must be a finite number"),
        ((None, 0.2, False), "`tile_overlap` needs `tile`"),
        ((None, 3, False), "`tile_overlap` must be a share"),
        ((None, None, True), "`tile_and_full` needs `tile`"),
    ],
)
def test_wrong_values_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(detcli.UsageError, match=message.replace("(", r"\(")):
        tile_settings(*arguments)


@pytest.mark.parametrize("arguments", [("640", None, False), (True, None, False), (64, "0.2", False), (64, None, 1)])
def test_wrong_types_are_refused(arguments: Any) -> None:
    with pytest.raises(TypeError, match="`tile"):
        tile_settings(*arguments)


def test_no_arguments_are_no_tiles() -> None:
    assert tile_settings(None, None, False) is None
    assert tile_settings(640, None, True) == TileSettings(640, 0.2, and_full=True)
