"""Maps enlarged tile by tile, against all of them enlarged at once."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from detcli.inference.segmentation.mask_upsampling import Floats, MaskUpsampler

# Sizes of the maps, and what they are taken to: several tiles, one tile, one pixel, smaller, and unlike directions.
SIZES = [
    ((20, 27), (301, 405)),
    ((200, 267), (200, 267)),
    ((5, 7), (20, 28)),
    ((6, 9), (1, 1)),
    ((1, 1), (50, 40)),
    ((90, 70), (33, 25)),
    ((40, 3), (13, 200)),
    ((150, 150), (151, 600)),
]


def maps(cells_hw: tuple[int, int], smooth: bool, count: int = 9) -> Floats:
    """Noise, or large blobs among which few maps rival at any place."""
    generator = torch.Generator().manual_seed(cells_hw[0])
    found = torch.randn(count, *cells_hw, generator=generator) * 4
    if smooth:
        found = F.avg_pool2d(found, 7, stride=1, padding=3) * 9 + torch.randn(count, 1, 1, generator=generator) * 3
    return found.numpy()


def enlarged(source: Floats, size_hw: tuple[int, int]) -> Floats:
    found = F.interpolate(torch.from_numpy(source)[None], size=size_hw, mode="bilinear", align_corners=False)[0]
    return found.numpy()


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(("cells_hw", "size_hw"), SIZES)
def test_the_winner_of_a_pixel_is_the_highest_map_there(
    cells_hw: tuple[int, int], size_hw: tuple[int, int], smooth: bool
) -> None:
    source, factors = maps(cells_hw, smooth), np.linspace(0.5, 1.5, 9, dtype=np.float32)
    full = enlarged(source, size_hw) * factors[:, None, None]
    owners, sums = MaskUpsampler.of(source, size_hw, factors).winners()
    won = np.take_along_axis(full, owners[None].astype(np.int64), axis=0)[0]
    assert np.allclose(won, full.max(axis=0), atol=2e-5)
    expected = [won[owners == number].sum(dtype=np.float64) for number in range(9)]
    assert np.allclose(sums, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(("cells_hw", "size_hw"), SIZES)
def test_areas_and_masks_are_those_of_all_pixels(
    cells_hw: tuple[int, int], size_hw: tuple[int, int], smooth: bool
) -> None:
    source = maps(cells_hw, smooth)
    full = enlarged(source, size_hw)
    for threshold in (-3.0, 0.25, 6.0):
        plan = MaskUpsampler.of(source, size_hw)
        unclear = np.abs(full - threshold) < 2e-5
        clear = (full > threshold) & ~unclear
        assert (np.abs(plan.areas(threshold) - clear.sum(axis=(1, 2))) <= unclear.sum(axis=(1, 2))).all()
        assert np.array_equal(np.stack(list(plan.above(threshold))) & ~unclear, clear)


def test_the_first_of_equal_maps_wins() -> None:
    source = np.repeat(maps((20, 27), smooth=False, count=1), 40, axis=0)
    owners, _ = MaskUpsampler.of(source, (100, 130)).winners()
    assert (owners == 0).all()


def test_a_value_at_the_threshold_is_in_the_area_and_not_above() -> None:
    plan = MaskUpsampler.of(np.full((1, 4, 4), 0.5, np.float32), (40, 40))
    assert plan.areas(0.5).tolist() == [1600]
    assert not next(plan.above(0.5)).any()


def test_infinite_thresholds_keep_everything_or_nothing() -> None:
    plan = MaskUpsampler.of(maps((20, 27), smooth=True), (60, 80))
    assert all(mask.all() for mask in plan.above(-np.inf))
    assert not any(mask.any() for mask in plan.above(np.inf))
