"""Bilinear upsampling of mask maps, tile by tile: which map is the highest at each pixel, and where a map is high.

All maps at the size of the image would take gigabytes. The values of a tile lie between the lowest and the highest of
the cells that it is made from. So a map that cannot be the highest anywhere in a tile is not upsampled there; of a
confident network, one to three maps per tile remain.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

Floats = npt.NDArray[np.float32]
Owners = npt.NDArray[np.int16]

# Approximate side of a tile in pixels: large compared with the overhead of Python, small enough for a CPU's cache.
_TILE = 64
# Maps upsampled together: so many tiles of 64 x 64 in float32 are 256 KiB.
_TOGETHER = 16
# Share of the largest value by which rounding may move a value past the cells that it is made from.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class RowBand:
    """Neighboring pixels of one axis, and the cells that they are made from.

    source   cells
    target   pixels
    weights  float32 [T, S]: a pixel is a mixture of at most two cells
    """

    source: slice
    target: slice
    weights: Floats


@dataclass(frozen=True, slots=True)
class MaskUpsampler:
    """Maps at another size, computed tile by tile and never stored at that size.

    maps             float32 [N, h, w], finite
    factors          float32 [N, 1, 1], not negative: each upsampled map is multiplied by its factor
    size_hw          the target size
    rows, columns    the tiles
    lowest, highest  float32 [N, tiles down, tiles across]: bounds of the values in a tile
    """

    maps: Floats
    factors: Floats
    size_hw: tuple[int, int]
    rows: tuple[RowBand, ...]
    columns: tuple[RowBand, ...]
    lowest: Floats
    highest: Floats

    @classmethod
    def of(cls, maps: Floats, size_hw: tuple[int, int], factors: npt.ArrayLike = 1.0) -> "MaskUpsampler":
        """Plan the tiles of maps [N, h, w], N > 0; factors: one for all maps, or one per map."""
        _, height, width = maps.shape
        down, across = _cells(height, size_hw[0]), _cells(width, size_hw[1])
        each = np.broadcast_to(np.asarray(factors, np.float32).reshape(-1, 1, 1), (len(maps), 1, 1))
        cells = torch.from_numpy(maps)
        return cls(
            maps=maps,
            factors=each,
            size_hw=size_hw,
            rows=_bands(height, size_hw[0], down),
            columns=_bands(width, size_hw[1], across),
            lowest=-_highest(-cells, down, across) * each,
            highest=_highest(cells, down, across) * each,
        )

    def winners(self) -> tuple[Owners, npt.NDArray[np.float64]]:
        """Return the highest map at each pixel, int16 [H, W], and the sum of each map over the pixels where it is highest [N].

        Of equal maps, the first one counts.
        """
        owners = np.empty(self.size_hw, np.int16)
        sums = np.zeros(len(self.maps))
        candidates = self.highest >= self.lowest.max(axis=0) - self._slack()
        for row, column, tile in self._tiles():
            which = np.flatnonzero(candidates[:, *tile])
            best, owner = self._highest_in_tile(row, column, which)
            owners[row.target, column.target] = owner
            sums += np.bincount(owner.ravel(), weights=best.ravel(), minlength=len(sums))
        return owners, sums

    def _highest_in_tile(self, row: RowBand, column: RowBand, which: npt.NDArray[np.intp]) -> tuple[Floats, Owners]:
        """Return the highest value at each pixel of a tile, and the number of its map."""
        shape = (len(row.weights), len(column.weights))
        best, owner = np.full(shape, -np.inf, np.float32), np.empty(shape, np.int16)
        for number, value in self._values(row, column, which):
            np.copyto(owner, number, where=value > best)
            np.maximum(best, value, out=best)
        return best, owner

    def areas(self, threshold: float) -> npt.NDArray[np.int64]:
        """Return the number of pixels of each map [N] with at least this value."""
        areas = np.zeros(len(self.maps), np.int64)
        slack = self._slack()
        everywhere, somewhere = self.lowest >= threshold + slack, self.highest >= threshold - slack
        for row, column, tile in self._tiles():
            complete = everywhere[:, *tile]
            areas[complete] += len(row.weights) * len(column.weights)
            for number, value in self._values(row, column, np.flatnonzero(somewhere[:, *tile] & ~complete)):
                areas[number] += np.count_nonzero(value >= np.float32(threshold))
        return areas

    def above(self, threshold: float) -> Iterator[npt.NDArray[np.bool_]]:
        """Yield for each map where it is above a value, bool [H, W]."""
        slack = self._slack()
        everywhere, somewhere = self.lowest >= threshold + slack, self.highest >= threshold - slack
        for number in range(len(self.maps)):
            mask = np.zeros(self.size_hw, np.bool_)
            for row, column, tile in self._tiles():
                if everywhere[number, *tile]:
                    mask[row.target, column.target] = True
                elif somewhere[number, *tile]:
                    [(_, value)] = self._values(row, column, np.array([number]))
                    mask[row.target, column.target] = value > np.float32(threshold)
            yield mask

    def _tiles(self) -> Iterator[tuple[RowBand, RowBand, tuple[int, int]]]:
        for down, row in enumerate(self.rows):
            for across, column in enumerate(self.columns):
                if len(row.weights) and len(column.weights):
                    yield row, column, (down, across)

    def _values(self, row: RowBand, column: RowBand, which: npt.NDArray[np.intp]) -> Iterator[tuple[int, Floats]]:
        """Yield number and values, float32 [T, T'], of some maps in one tile."""
        for start in range(0, len(which), _TOGETHER):
            part = which[start : start + _TOGETHER]
            cells = self.maps[part, row.source, column.source]  # [n, S, S']
            values = row.weights @ (cells @ column.weights.T) * self.factors[part]  # [n, T, T']
            yield from zip(part.tolist(), values, strict=True)

    def _slack(self) -> float:
        return _ROUNDING * float(max(np.abs(self.lowest).max(), np.abs(self.highest).max()))


def _cells(length: int, target: int) -> int:
    """Return the side of a tile in cells."""
    return max(1, round(_TILE * length / target))


def _bands(length: int, target: int, cells: int) -> tuple[RowBand, ...]:
    """Cut an axis of `target` pixels, made from `length` cells, into bands of `cells` cells.

    The weights are those of torch's interpolate(mode="bilinear", align_corners=False): its scale is a float32.
    """
    scale = float(np.float32(length) / np.float32(target))
    positions = np.maximum(((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32), 0)
    first = np.minimum(positions.astype(np.int64), length - 1)
    share = np.minimum(positions - first.astype(np.float32), np.float32(1))  # of the second cell
    bands = []
    for start in range(0, length, cells):
        low, high = np.searchsorted(first, (start, start + cells)).tolist()
        end = min(start + cells + 1, length)
        pixels, cell = np.arange(high - low), first[low:high] - start
        weights = np.zeros((high - low, end - start), np.float32)
        weights[pixels, cell] = 1 - share[low:high]
        weights[pixels, np.minimum(cell + 1, end - start - 1)] += share[low:high]
        bands.append(RowBand(slice(start, end), slice(low, high), weights))
    return tuple(bands)


def _highest(maps: torch.Tensor, down: int, across: int) -> Floats:
    """Return the highest cell of each tile [N, tiles down, tiles across], neighbors that its pixels use included."""
    _, height, width = maps.shape
    bottom, right = -height % down + 1, -width % across + 1
    padded = F.pad(maps, (0, right, 0, bottom), value=-torch.inf)
    highest: Floats = F.max_pool2d(padded, (down + 1, across + 1), (down, across)).numpy()
    return highest
