"""Maps of numbers, one a pixel, as run-length encoded masks: all of an image's in one pass, and never enlarged."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from detcli.structures.masks import Rle

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NearestUpsampler:
    """Which pixel of a smaller or larger map each pixel of an image shows.

    rows     int64 [H], not falling
    columns  int64 [W], not falling
    """

    rows: Ints
    columns: Ints

    @classmethod
    def same(cls, size_hw: tuple[int, int]) -> "NearestUpsampler":
        """Each shows its own."""
        return cls(np.arange(size_hw[0]), np.arange(size_hw[1]))

    @classmethod
    def by_centers(cls, source_hw: tuple[int, int], size_hw: tuple[int, int]) -> "NearestUpsampler":
        """As Pillow's NEAREST: the pixel in which its center lies."""
        return cls(*(_centers(*lengths) for lengths in zip(source_hw, size_hw, strict=True)))

    @classmethod
    def by_corners(cls, source_hw: tuple[int, int], size_hw: tuple[int, int]) -> "NearestUpsampler":
        """As torch's interpolate(mode="nearest"): the pixel in which its top left corner lies."""
        return cls(*(_corners(*lengths) for lengths in zip(source_hw, size_hw, strict=True)))

    @property
    def size_hw(self) -> tuple[int, int]:
        """Of the image."""
        return len(self.rows), len(self.columns)

    def areas(self, owners: npt.NDArray[np.int16], count: int) -> Ints:
        """How many pixels of the image show each number from 0 to count - 1; owners [h, w]."""
        shown = np.bincount(self.rows, minlength=owners.shape[0])[:, None] * np.bincount(
            self.columns, minlength=owners.shape[1]
        )  # [h, w]
        return np.bincount(owners.ravel(), weights=shown.ravel(), minlength=count).astype(np.int64)


def encode(
    owners: npt.NDArray[np.int16 | np.bool_], groups: Sequence[Sequence[int]], nearest: NearestUpsampler
) -> list[Rle]:
    """The mask of each group of numbers at the image's size.

    owners   [h, w], no number below 0
    groups   each number is in one of them at most
    """
    table = np.full(int(owners.max()) + 1, -1, np.int64)
    for place, members in enumerate(groups):
        table[[number for number in members if number < len(table)]] = place
    column, group, top, bottom = _column_runs(owners, table)
    # Rows first: runs that no row of the image shows are gone.
    height = len(nearest.rows)
    top, bottom = np.searchsorted(nearest.rows, top), np.searchsorted(nearest.rows, bottom)
    seen = bottom > top
    column, group, top, bottom = column[seen], group[seen], top[seen], bottom[seen]
    # Then each column of the image takes the runs of the one it shows.
    firsts, ends = np.searchsorted(column, nearest.columns), np.searchsorted(column, nearest.columns, side="right")
    counts = ends - firsts
    run = np.arange(counts.sum()) + np.repeat(firsts - (counts.cumsum() - counts), counts)
    offset = np.repeat(np.arange(len(counts)) * height, counts)
    order = np.argsort(group[run], kind="stable")
    bounds = np.searchsorted(group[run], np.arange(len(groups) + 1), sorter=order)
    starts, stops = (offset + top[run])[order], (offset + bottom[run])[order]
    return [Rle.of_runs(starts[low:high], stops[low:high], nearest.size_hw) for low, high in pairwise(bounds.tolist())]


def _column_runs(owners: npt.NDArray[np.int16 | np.bool_], table: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Runs of one number down the columns, one column after the other: column, group, first row, row after the last.

    Those of no group (-1) are left out.
    """
    height, width = owners.shape
    columns = np.ascontiguousarray(owners.T)  # [w, h]
    changes = np.ones(columns.shape, np.bool_)
    np.not_equal(columns[:, 1:], columns[:, :-1], out=changes[:, 1:])
    starts = np.flatnonzero(changes)
    group = table[columns.ravel()[starts].astype(np.int64)]
    column = starts // height
    stops = np.append(starts[1:], width * height)
    wanted = group >= 0
    base = column[wanted] * height
    return column[wanted], group[wanted], starts[wanted] - base, stops[wanted] - base


def _centers(source: int, target: int) -> Ints:
    # Pillow adds up steps, in float64.
    step = source / target
    places = np.cumsum(np.concatenate(([step * 0.5], np.full(target - 1, step))))
    return np.minimum(places.astype(np.int64), source - 1)


def _corners(source: int, target: int) -> Ints:
    scale = np.float32(source) / np.float32(target)
    places = np.arange(target, dtype=np.float32) * scale
    return np.minimum(places.astype(np.int64), source - 1)
