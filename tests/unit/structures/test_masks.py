"""Masks made of runs are the masks that pycocotools makes of pixels."""

import numpy as np
import pytest

from detcli.structures.masks import Rle, union


def test_adjacent_runs_are_merged() -> None:
    runs = np.array([2, 3, 9]), np.array([3, 6, 12])
    mask = np.zeros(12, np.bool_)
    mask[[2, 3, 4, 5, 9, 10, 11]] = True
    assert Rle.of_runs(*runs, (4, 3)) == Rle.of(mask.reshape(3, 4).T)


@pytest.mark.parametrize("value", [True, False])
def test_a_mask_may_be_full_or_empty(value: bool) -> None:
    runs = (np.array([0]), np.array([12])) if value else (np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert Rle.of_runs(*runs, (4, 3)) == Rle.of(np.full((4, 3), value))


def test_the_union_has_the_pixels_of_any_mask() -> None:
    masks = np.random.default_rng(0).random((4, 7, 5)) > 0.8
    assert union([Rle.of(mask) for mask in masks]) == Rle.of(masks.any(axis=0))
    assert union([Rle.of(masks[0])]) == Rle.of(masks[0])
