"""Which boxes of different tiles are the same object.

Two boxes are compared only within the region that both tiles see: there, the same object has the same box in both,
also where it is cut by the border of one of them, or of both. Boxes of one tile are never compared: what the network
finds in one image stays as it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.inference.images.tiling.tile_grid import Region
from detcli.structures.detections import Detections

SAME_OBJECT = 0.5  # intersection over union within the shared region, and part of a cut box that is in another box
_AT_SEAM = 0.01  # sides of a tile: an edge so near to an inner border of the tile is cut by it

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TileBoxes:
    """The boxes of all tiles of one image.

    boxes_xyxy  float64 [N, 4] in pixels of the image
    class_ids   int64 [N]
    is_cut      bool [N, 4]: the edge is at a border of its tile that is not a border of the image
    starts      int64 [T + 1]: the boxes of tile t are those from starts[t] to starts[t + 1]
    regions     int64 [T, 4]
    """

    boxes_xyxy: Floats
    class_ids: Ints
    is_cut: Bools
    starts: Ints
    regions: Ints

    @classmethod
    def of(cls, regions: Sequence[Region], found: Sequence[Detections], size_hw: tuple[int, int]) -> "TileBoxes":
        """The boxes of detections in pixels of their tiles."""
        where = np.array(regions, np.int64)
        counts = [len(detections) for detections in found]
        tiles = where.repeat(counts, axis=0)  # [N, 4]
        boxes: Floats = np.concatenate([detections.boxes_xyxy for detections in found]) + tiles[:, [0, 1, 0, 1]]
        limits = np.array((0, 0, size_hw[1], size_hw[0]))
        margins = _AT_SEAM * (tiles[:, 2:] - tiles[:, :2])[:, [0, 1, 0, 1]]
        is_cut = (np.abs(boxes - tiles) <= margins) & (tiles != limits)
        class_ids = np.concatenate([detections.class_ids for detections in found])
        return cls(boxes, class_ids, is_cut, np.cumsum([0, *counts]), where)

    @property
    def has_cut_edge(self) -> Bools:
        """Which boxes a seam cuts, [N]."""
        cut: Bools = np.logical_or.reduce(self.is_cut, axis=1)
        return cut

    def matches(self, across_classes: bool) -> dict[int, list[int]]:
        """For each box that is found in other tiles too, the boxes there that are the same object, in order."""
        found: dict[int, list[int]] = {}
        for first, second, shared in self._neighbors():
            for one, other in self._same(first, second, shared, across_classes):
                found.setdefault(one, []).append(other)
                found.setdefault(other, []).append(one)
        return {one: sorted(others) for one, others in found.items()}

    def _neighbors(self) -> Iterator[tuple[int, int, Floats]]:
        """Pairs of tiles with boxes that share a region, and that region; one tile with all others at a time."""
        tiles = np.flatnonzero(np.diff(self.starts) > 0)
        regions = self.regions[tiles]
        for number, first in enumerate(tiles.tolist()):
            low = np.maximum(regions[number, :2], regions[number + 1 :, :2])
            high = np.minimum(regions[number, 2:], regions[number + 1 :, 2:])
            for other in np.flatnonzero((high > low).all(1)).tolist():
                shared = np.concatenate((low[other], high[other])).astype(np.float64)
                yield first, int(tiles[number + 1 + other]), shared

    def _same(self, first: int, second: int, shared: Floats, across_classes: bool) -> list[tuple[int, int]]:
        ones, others = self._inside(first, shared), self._inside(second, shared)
        if not len(ones) or not len(others):
            return []
        boxes, cut = self.boxes_xyxy, self.has_cut_edge
        here, there = _clipped(boxes[ones], shared), _clipped(boxes[others], shared)
        common = _common_areas(here, there)
        same = common > SAME_OBJECT * (_areas(here)[:, None] + _areas(there) - common)
        common = _common_areas(boxes[ones], boxes[others])
        same |= cut[ones][:, None] & (common > SAME_OBJECT * _areas(boxes[ones])[:, None])
        same |= cut[others] & (common > SAME_OBJECT * _areas(boxes[others]))
        if not across_classes:
            same &= self.class_ids[ones][:, None] == self.class_ids[others]
        return [(int(ones[row]), int(others[column])) for row, column in np.argwhere(same).tolist()]

    def _inside(self, tile: int, shared: Floats) -> Ints:
        """Indices of the boxes of a tile that have a part in a region."""
        start, end = self.starts[tile], self.starts[tile + 1]
        boxes = self.boxes_xyxy[start:end]
        inside: Ints = start + np.flatnonzero((boxes[:, :2] < shared[2:]).all(1) & (boxes[:, 2:] > shared[:2]).all(1))
        return inside


def _clipped(boxes: Floats, region: Floats) -> Floats:
    clipped: Floats = np.clip(boxes, region[[0, 1, 0, 1]], region[[2, 3, 2, 3]])
    return clipped


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _common_areas(ones: Floats, others: Floats) -> Floats:
    """The area [N, M] that each box has in common with each of the others."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    areas: Floats = (high - low).clip(0).prod(2)
    return areas
