"""Pairs of nearly equal boxes, also of an image with very many."""

import numpy as np
import pytest

from detcli.inspection import overlaps
from detcli.inspection.box_table import BoxTable


def table(images: list[int], boxes: list[list[float]]) -> BoxTable:
    count = max(images) + 1
    return BoxTable(
        np.array(images, np.int64),
        np.array(boxes, np.float64),
        np.zeros(len(boxes), np.int64),
        np.full((count, 2), 100.0),
    )


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_pairs_are_the_same_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(overlaps, "_BLOCK", block)
    boxes = [[0, 0, 10, 10], [0, 0, 10, 10.5], [50, 50, 60, 60], [0, 0, 10, 10], [0, 0, 10, 10]]
    first, second = overlaps.overlapping_pairs(table([0, 0, 0, 0, 1], boxes))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (0, 3), (1, 3)]


def test_images_with_one_box_have_no_pairs() -> None:
    first, second = overlaps.overlapping_pairs(table([0, 1], [[0, 0, 10, 10], [0, 0, 10, 10]]))
    assert (len(first), len(second)) == (0, 0)
