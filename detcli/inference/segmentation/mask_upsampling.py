"""Small maps enlarged bilinearly, tile by tile: which of them is the highest at each pixel, and where one is high.

All maps at an image's own size would take gigabytes. A tile's values lie between the least and the greatest of the
cells they are made from; so a map that is nowhere near the highest of a tile is left out of it unseen, and of a
confident network one to three maps a tile remain.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

Floats = npt.NDArray[np.float32]
Owners = npt.NDArray[np.int16]

# Pixels along a tile's side, about: large against Python's own time, small enough for a CPU's cache.
_TILE = 64
# Maps enlarged together: so many tiles of 64 x 64 in float32 are 256 KiB.
_TOGETHER = 16
# Share of the largest number by which rounding may take a value past the cells that it is made from.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class RowBand:
    """Neighbouring pixels of one axis, and the cells they are made from.

    source   cells
    target   pixels
    weights  float32 [T, S]: a pixel is at most two cells' mixture
    """

    source: slice
    target: slice
    weights: Floats


@dataclass(frozen=True, slots=True)
class MaskUpsampler:
    """Maps at a larger size, or a smaller one, without ever holding them there.

    maps           float32 [N, h, w], finite
    factors        float32 [N, 1, 1], not negative: each enlarged map is multiplied by its own
    size_hw        the size they are taken to
    rows, columns  the tiles
    least, most    float32 [N, tiles down, tiles across]: what the values of a tile lie between
    """

    maps: Floats
    factors: Floats
    size_hw: tuple[int, int]
    rows: tuple[RowBand, ...]
    columns: tuple[RowBand, ...]
    least: Floats
    most: Floats

    @classmethod
    def of(cls, maps: Floats, size_hw: tuple[int, int], factors: npt.ArrayLike = 1.0) -> "MaskUpsampler":
        """Plan the tiles of maps [N, h, w], N > 0; factors one for all or one a map."""
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
            least=-_highest(-cells, down, across) * each,
            most=_highest(cells, down, across) * each,
        )

    def winners(self) -> tuple[Owners, npt.NDArray[np.float64]]:
        """The map that is highest at each pixel, int16 [H, W], and each map's sum over the pixels that it wins [N].

        Of equal maps the first wins.
        """
        owners = np.empty(self.size_hw, np.int16)
        sums = np.zeros(len(self.maps))
        rivals = self.most >= self.least.max(axis=0) - self._slack()
        for row, column, place in self._tiles():
            which = np.flatnonzero(rivals[:, *place])
            best, owner = self._contest(row, column, which)
            owners[row.target, column.target] = owner
            sums += np.bincount(owner.ravel(), weights=best.ravel(), minlength=len(sums))
        return owners, sums

    def _contest(self, row: RowBand, column: RowBand, which: npt.NDArray[np.intp]) -> tuple[Floats, Owners]:
        """Of one tile, the highest value and whose it is."""
        shape = (len(row.weights), len(column.weights))
        best, owner = np.full(shape, -np.inf, np.float32), np.empty(shape, np.int16)
        for number, value in self._values(row, column, which):
            np.copyto(owner, number, where=value > best)
            np.maximum(best, value, out=best)
        return best, owner

    def areas(self, threshold: float) -> npt.NDArray[np.int64]:
        """How many pixels of each map [N] have at least this value."""
        found = np.zeros(len(self.maps), np.int64)
        slack = self._slack()
        everywhere, somewhere = self.least >= threshold + slack, self.most >= threshold - slack
        for row, column, place in self._tiles():
            whole = everywhere[:, *place]
            found[whole] += len(row.weights) * len(column.weights)
            for number, value in self._values(row, column, np.flatnonzero(somewhere[:, *place] & ~whole)):
                found[number] += np.count_nonzero(value >= np.float32(threshold))
        return found

    def above(self, threshold: float) -> Iterator[npt.NDArray[np.bool_]]:
        """Of each map in turn, where it is above a value, bool [H, W]."""
        slack = self._slack()
        everywhere, somewhere = self.least >= threshold + slack, self.most >= threshold - slack
        for number in range(len(self.maps)):
            mask = np.zeros(self.size_hw, np.bool_)
            for row, column, place in self._tiles():
                if everywhere[number, *place]:
                    mask[row.target, column.target] = True
                elif somewhere[number, *place]:
                    [(_, value)] = self._values(row, column, np.array([number]))
                    mask[row.target, column.target] = value > np.float32(threshold)
            yield mask

    def _tiles(self) -> Iterator[tuple[RowBand, RowBand, tuple[int, int]]]:
        for down, row in enumerate(self.rows):
            for across, column in enumerate(self.columns):
                if len(row.weights) and len(column.weights):
                    yield row, column, (down, across)

    def _values(self, row: RowBand, column: RowBand, which: npt.NDArray[np.intp]) -> Iterator[tuple[int, Floats]]:
        """Number and values, float32 [T, T'], of some maps in one tile."""
        for start in range(0, len(which), _TOGETHER):
            part = which[start : start + _TOGETHER]
            cells = self.maps[part, row.source, column.source]  # [n, S, S']
            values = row.weights @ (cells @ column.weights.T) * self.factors[part]  # [n, T, T']
            yield from zip(part.tolist(), values, strict=True)

    def _slack(self) -> float:
        return _ROUNDING * float(max(np.abs(self.least).max(), np.abs(self.most).max()))


def _cells(length: int, target: int) -> int:
    """How many cells make a tile's side."""
    return max(1, round(_TILE * length / target))


def _bands(length: int, target: int, cells: int) -> tuple[RowBand, ...]:
    """Cut an axis of `target` pixels, made from `length` cells, where a band's first cell begins.

    The weights are those of torch's interpolate(mode="bilinear", align_corners=False): its scale is a float32.
    """
    scale = float(np.float32(length) / np.float32(target))
    places = np.maximum(((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32), 0)
    first = np.minimum(places.astype(np.int64), length - 1)
    share = np.minimum(places - first.astype(np.float32), np.float32(1))  # of the second cell
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
    """The greatest cell of each tile [N, tiles down, tiles across], with the neighbours that its pixels reach to."""
    _, height, width = maps.shape
    below, beside = -height % down + 1, -width % across + 1
    padded = F.pad(maps, (0, beside, 0, below), value=-torch.inf)
    found: Floats = F.max_pool2d(padded, (down + 1, across + 1), (down, across)).numpy()
    return found
