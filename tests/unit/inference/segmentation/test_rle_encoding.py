"""Run-length encoding of maps of numbers, against pycocotools on the pixels themselves."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from detcli.inference.segmentation.rle_encoding import NearestUpsampler, encode
from detcli.structures.masks import Rle

SIZES = [
    ((7, 9), (7, 9)),
    ((7, 9), (50, 31)),
    ((40, 30), (13, 90)),
    ((1, 1), (5, 4)),
    ((30, 40), (1, 1)),
    ((9, 9), (3, 2)),
]


def numbers(size_hw: tuple[int, int], seed: int = 0, count: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, count, size_hw).astype(np.int16)


@pytest.mark.parametrize(("source_hw", "size_hw"), SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_masks_are_those_of_the_upsampled_map(source_hw: tuple[int, int], size_hw: tuple[int, int], seed: int) -> None:
    owners = numbers(source_hw, seed)
    for nearest in (NearestUpsampler.by_centers(source_hw, size_hw), NearestUpsampler.by_corners(source_hw, size_hw)):
        shown = owners[nearest.rows][:, nearest.columns]
        groups = [(3,), (0, 4), (), (2,), (9,)]
        found = encode(owners, groups, nearest)
        assert found == [Rle.of(np.isin(shown, group)) for group in groups]
        assert nearest.areas(owners, 6).tolist() == [int((shown == number).sum()) for number in range(6)]


def test_a_bool_mask_is_a_map_too() -> None:
    mask = numbers((20, 30), count=2).astype(np.bool_)
    assert encode(mask, [(1,)], NearestUpsampler.same((20, 30))) == [Rle.of(mask)]
    assert encode(np.zeros_like(mask), [(1,)], NearestUpsampler.same((20, 30))) == [Rle.of(np.zeros_like(mask))]


@pytest.mark.parametrize("source", [1, 2, 7, 80, 107, 800, 1066, 1333])
@pytest.mark.parametrize("target", [1, 3, 50, 107, 427, 640, 3000])
def test_centers_are_pillows_and_corners_are_torchs(source: int, target: int) -> None:
    line = np.arange(source, dtype=np.int32)[None]
    nearest = NearestUpsampler.by_centers((1, source), (1, target))
    pillow = np.asarray(Image.fromarray(line).resize((target, 1), Image.Resampling.NEAREST))
    assert np.array_equal(nearest.columns, pillow[0])
    nearest = NearestUpsampler.by_corners((1, source), (1, target))
    torchs = F.interpolate(torch.arange(source).float()[None, None], size=target, mode="nearest")
    assert nearest.columns.tolist() == torchs[0, 0].int().tolist()
