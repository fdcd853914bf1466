"""Maps with a number per pixel -> run-length encoded masks: all masks of an image in one pass, without upsampling."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NearestUpsampler:
    """Nearest-neighbor resizing: which pixel of a map each pixel of an image takes.

    rows     int64 [H], non-decreasing
    columns  int64 [W], non-decreasing
    """

    rows: Ints
    columns: Ints

    @classmethod
    def same(cls, size_hw: tuple[int, int]) -> "NearestUpsampler":
        """Return the identity: the map has the size of the image."""
        return cls(np.arange(size_hw[0]), np.arange(size_hw[1]))

    @classmethod
    def by_centers(cls, source_hw: tuple[int, int], size_hw: tuple[int, int]) -> "NearestUpsampler":
        """As Pillow's NEAREST: the map pixel that contains the center of the image pixel."""
        return cls(*(_centers(*lengths) for lengths in zip(source_hw, size_hw, strict=True)))

    @classmethod
    def by_corners(cls, source_hw: tuple[int, int], size_hw: tuple[int, int]) -> "NearestUpsampler":
        """As torch's interpolate(mode="nearest"): the map pixel that contains the top left corner of the image pixel."""
        return cls(*(_corners(*lengths) for lengths in zip(source_hw, size_hw, strict=True)))

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image."""
        return len(self.rows), len(self.columns)

    def areas(self, owners: npt.NDArray[np.int16], count: int) -> Ints:
        """Return how many pixels of the image have each number from 0 to count - 1; owners [h, w]."""
        shown = np.bincount(self.rows, minlength=owners.shape[0])[:, None] * np.bincount(
            self.columns, minlength=owners.shape[1]
        )  # [h, w]
        return np.bincount(owners.ravel(), weights=shown.ravel(), minlength=count).astype(np.int64)


def encode(
    owners: npt.NDArray[np.int16 | np.bool_], groups: Sequence[Sequence[int]], nearest: NearestUpsampler
) -> list[Rle]:
    """Return the mask of each group of numbers at the size of the image.

    owners  [h, w], no negative number
    groups  each number is in at most one of them
    """
    table = np.full(int(owners.max()) + 1, -1, np.int64)
    for group_index, members in enumerate(groups):
        table[[number for number in members if number < len(table)]] = group_index
    column, group, top, bottom = _column_runs(owners, table)
    # Rows first: drop runs that no row of the image takes.
    height = len(nearest.rows)
    top, bottom = np.searchsorted(nearest.rows, top), np.searchsorted(nearest.rows, bottom)
    seen = bottom > top
    column, group, top, bottom = column[seen], group[seen], top[seen], bottom[seen]
    # Then each column of the image takes the runs of its map column.
    firsts, ends = np.searchsorted(column, nearest.columns), np.searchsorted(column, nearest.columns, side="right")
    counts = ends - firsts
    run = np.arange(counts.sum()) + np.repeat(firsts - (counts.cumsum() - counts), counts)
    offset = np.repeat(np.arange(len(counts)) * height, counts)
    order = np.argsort(group[run], kind="stable")
    bounds = np.searchsorted(group[run], np.arange(len(groups) + 1), sorter=order)
    starts, stops = (offset + top[run])[order], (offset + bottom[run])[order]
    return [Rle.of_runs(starts[low:high], stops[low:high], nearest.size_hw) for low, high in pairwise(bounds.tolist())]


def _column_runs(owners: npt.NDArray[np.int16 | np.bool_], table: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Return runs of one number, column by column: column, group, first row, row after the last.

    Runs without a group (-1) are left out.
    """
    height, width = owners.shape
    columns = np.ascontiguousarray(owners.T)  # [w, h]
    changes = np.ones(columns.shape, np.bool_)
    np.not_equal(columns[:, 1:], columns[:, :-1], out=changes[:, 1:])
    starts = np.flatnonzero(changes)
    group = table[columns.ravel()[starts].astype(np.int64)]
    column = starts // height
    stops = np.append(starts[1:], width * height)
    grouped = group >= 0
    base = column[grouped] * height
    return column[grouped], group[grouped], starts[grouped] - base, stops[grouped] - base


def _centers(source: int, target: int) -> Ints:
    # Pillow sums steps in float64.
    step = source / target
    positions = np.cumsum(np.concatenate(([step * 0.5], np.full(target - 1, step))))
    return np.minimum(positions.astype(np.int64), source - 1)


def _corners(source: int, target: int) -> Ints:
    scale = np.float32(source) / np.float32(target)
    positions = np.arange(target, dtype=np.float32) * scale
    return np.minimum(positions.astype(np.int64), source - 1)
