"""Merging: independent of the order of tiles, of weak boxes, and without effect on boxes of one tile."""

import tracemalloc

import numpy as np
import pytest

from detcli.inference.images.tiling.merge_tiles import merge_tiles
from detcli.inference.images.tiling.tile_grid import Region, tile_rows
from detcli.inference.images.tiling.tile_settings import TileSettings
from detcli.inference.postprocessing.selection import Selection
from detcli.structures.detections import Detections

SIZE = (150, 210)
REGIONS = [region for row in tile_rows(SIZE, TileSettings(64, 0.25)) for region in row]


def scattered(seed: int, *, least: float = 0.1) -> list[Detections]:
    """Random boxes in each tile, many of them at its borders and in several tiles."""
    random = np.random.default_rng(seed)
    corners = random.uniform((0, 0), (SIZE[1] - 5, SIZE[0] - 5), (60, 2))
    objects = np.concatenate((corners, corners + random.uniform(4, 70, (60, 2))), axis=1)
    classes = random.integers(0, 3, 60)
    found = []
    for left, top, right, bottom in REGIONS:
        boxes = np.clip(objects, (left, top, left, top), (right, bottom, right, bottom)) - (left, top, left, top)
        boxes += random.normal(0, 0.4, boxes.shape)
        boxes = boxes.clip(0, 64)
        kept = (boxes[:, 2] - boxes[:, 0] > 2) & (boxes[:, 3] - boxes[:, 1] > 2)
        scores = random.uniform(least, 1, 60).astype(np.float32)
        std = random.uniform(0.1, 2, boxes.shape)
        found.append(Detections(boxes[kept], scores[kept], classes[kept], box_std=std[kept]))
    return found


def merged(regions: list[Region], found: list[Detections], **settings: object) -> Detections:
    selection = Selection(**{"threshold": 0.5} | settings)  # type: ignore[arg-type]
    return merge_tiles(regions, found, SIZE, selection=selection, seam_std=16.0)


def above(found: list[Detections], threshold: float = 0.5) -> list[Detections]:
    return [detections[detections.scores > threshold] for detections in found]


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_tiles_and_of_boxes_does_not_matter(seed: int) -> None:
    found, random = above(scattered(seed)), np.random.default_rng(seed)
    expected = merged(REGIONS, found)
    assert 20 < len(expected) < sum(map(len, found))
    order = random.permutation(len(REGIONS)).tolist()
    shuffled = [found[tile][random.permutation(len(found[tile]))] for tile in order]
    assert merged([REGIONS[tile] for tile in order], shuffled) == expected


@pytest.mark.parametrize("nms", [None, 0.6])
@pytest.mark.parametrize("seed", range(8))
def test_weak_boxes_change_no_box_above_the_threshold(seed: int, nms: float | None) -> None:
    found = scattered(seed)
    with_weak = merged(REGIONS, found, weak_threshold=0.1, nms=nms)
    assert with_weak[with_weak.scores > 0.5] == merged(REGIONS, above(found), nms=nms)
    assert len(with_weak[with_weak.scores <= 0.5]) > 0


@pytest.mark.parametrize("seed", range(4))
def test_boxes_of_one_tile_are_never_merged(seed: int) -> None:
    [first, *others] = above(scattered(seed))
    empty = [detections[:0] for detections in others]
    result = merged(REGIONS, [first, *empty])
    assert sorted(result.boxes_xyxy.tolist()) == sorted(first.boxes_xyxy.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_classes_are_merged_apart(seed: int) -> None:
    found = above(scattered(seed))
    apart = [merged(REGIONS, [d[d.class_ids == class_id] for d in found]) for class_id in range(3)]
    together = merged(REGIONS, found)
    for class_id, alone in enumerate(apart):
        assert together[together.class_ids == class_id] == alone


def test_results_lie_in_the_image_sorted_by_score() -> None:
    result = merged(REGIONS, above(scattered(1)))
    assert (np.diff(result.scores) <= 0).all()
    assert (result.boxes_xyxy >= 0).all()
    assert (result.boxes_xyxy <= (SIZE[1], SIZE[0], SIZE[1], SIZE[0])).all()
    assert result.box_std is not None
    assert (result.box_std > 0).all()


def test_no_boxes_are_no_detections() -> None:
    empty = [detections[:0] for detections in scattered(0)]
    assert len(merged(REGIONS, empty)) == 0


def test_many_tiles_are_merged_in_little_memory() -> None:
    size_hw = (1500, 1500)
    regions = [region for row in tile_rows(size_hw, TileSettings(64, 0.2)) for region in row]
    one = Detections(np.array([[20.0, 20, 30, 30]]), np.array([0.9], np.float32), np.array([0]))
    tracemalloc.start()
    found = merge_tiles(regions, [one] * len(regions), size_hw, selection=Selection(0.5), seam_std=1.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == len(regions) > 800
    assert peak < 2000 * len(regions), "no table of all pairs of tiles"
