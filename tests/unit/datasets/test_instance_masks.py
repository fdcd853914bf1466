"""Outlines of annotations become masks, and masks change with their image."""

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from detcli.datasets.instance_masks import draw_outline, read_outline, stretch_mask
from detcli.structures.masks import Rle

SQUARE = [2, 1, 6, 1, 6, 4, 2, 4]


def square(size_hw: tuple[int, int] = (8, 9)) -> np.ndarray:
    mask = np.zeros(size_hw, np.bool_)
    mask[1:4, 2:6] = True
    return mask


def column_runs(mask: np.ndarray) -> list[int]:
    flat = np.concatenate(([False], mask.T.ravel()))
    edges = np.flatnonzero(np.diff(flat)) if flat.any() else np.array([], int)
    return np.diff(np.concatenate(([0], edges, [mask.size]))).tolist()


@pytest.mark.parametrize(
    "segmentation",
    [
        [SQUARE],
        [[2, 1, 4, 1, 4, 4, 2, 4], [4, 1, 6, 1, 6, 4, 4, 4]],
        {"size": [8, 9], "counts": column_runs(square())},
        Rle.of(square()).as_json(),
    ],
    ids=["polygon", "polygons", "runs", "compressed"],
)
def test_all_coco_mask_forms_are_equivalent(segmentation: Any) -> None:
    outline = read_outline(segmentation)
    assert outline is not None
    assert np.array_equal(draw_outline(outline, (8, 9)).decode(), square())


@pytest.mark.parametrize(
    "segmentation",
    [
        None, "mask", [], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6, 7]], [["a"] * 6], [[1, 2, float("nan"), 4, 5, 6]],
        [[10**400] * 6], {}, {"size": [8, 9]}, {"size": [8], "counts": [72]}, {"size": [8, 9], "counts": [71]},
        {"size": [8, 9], "counts": [80, -8]}, {"size": [8, 9], "counts": "ooooo"}, {"size": [8, 9], "counts": "0"},
        {"size": [-8, -9], "counts": [72]},
    ],
    ids=repr,
)  # fmt: skip
def test_an_invalid_outline_is_none(segmentation: Any) -> None:
    assert read_outline(segmentation) is None


def test_rle_of_another_size_is_an_empty_mask() -> None:
    outline = read_outline(Rle.of(square()).as_json())
    assert outline is not None
    assert draw_outline(outline, (9, 8)).area == 0


def test_polygons_are_drawn_as_by_pycocotools() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        polygon = (rng.random(12) * 40).tolist()
        outline = read_outline([polygon])
        assert outline is not None
        # Kept as 32-bit floats.
        theirs = coco.decode(coco.frPyObjects([np.float32(polygon).astype(float).tolist()], 40, 40))[..., 0]
        assert np.array_equal(draw_outline(outline, (40, 40)).decode(), theirs.astype(bool))


@pytest.mark.parametrize("size_hw", [(16, 18), (24, 9), (4, 4), (8, 9)])
def test_a_resized_mask_keeps_its_position(size_hw: tuple[int, int]) -> None:
    left, top, right, bottom = Rle.of(stretch_mask(square(), size_hw)).box_xyxy
    down, across = size_hw[0] / 8, size_hw[1] / 9
    assert np.abs(np.array([left, top, right, bottom]) - [2 * across, down, 6 * across, 4 * down]).max() <= 0.5
