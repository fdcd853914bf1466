"""Masks of the image size as COCO's run-length encoding, which takes kilobytes instead of megabytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rle:
    """One mask, as pycocotools reads and writes it.

    size_hw  height and width of the image
    counts   lengths of runs, column by column, in COCO's compressed ASCII form
    """

    size_hw: tuple[int, int]
    counts: str

    @classmethod
    def of(cls, mask: Bools) -> "Rle":
        """Encode a mask, bool [H, W]."""
        encoded: dict[str, Any] = coco.encode(np.asfortranarray(mask, np.uint8))
        return cls((mask.shape[0], mask.shape[1]), encoded["counts"].decode("ascii"))

    @classmethod
    def empty(cls, size_hw: tuple[int, int]) -> "Rle":
        """The mask that has no pixel."""
        none = np.zeros(0, np.int64)
        return cls.of_runs(none, none, size_hw)

    @classmethod
    def of_runs(cls, starts: Ints, stops: Ints, size_hw: tuple[int, int]) -> "Rle":
        """Encode sorted runs of pixels, counted column by column; adjacent runs may touch.

        starts  int64 [N]
        stops   int64 [N], the index after the last pixel of each run
        """
        is_separate = starts[1:] != stops[:-1]
        starts, stops = np.append(starts[:1], starts[1:][is_separate]), np.append(stops[:-1][is_separate], stops[-1:])
        edges = np.empty(2 * len(starts) + 1, np.int64)
        edges[0], edges[1::2], edges[2::2] = 0, starts, stops
        rest = size_hw[0] * size_hw[1] - edges[-1]
        counts = np.append(np.diff(edges), [rest] if rest or not len(starts) else [])
        encoded = coco.frPyObjects({"size": list(size_hw), "counts": counts.astype(np.int64)}, *size_hw)
        return cls(size_hw, encoded["counts"].decode("ascii"))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Rle":
        """Read `{"size": [height, width], "counts": text}`, as in COCO results."""
        height, width = value["size"]
        return cls((height, width), value["counts"])

    def as_json(self) -> dict[str, Any]:
        """`{"size": [height, width], "counts": text}`."""
        return {"size": list(self.size_hw), "counts": self.counts}

    def decode(self) -> Bools:
        """The mask, bool [H, W]."""
        decoded: npt.NDArray[np.uint8] = coco.decode(self._coco())
        return decoded.astype(np.bool_)

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(coco.area(self._coco()))

    @property
    def box_xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the bounding box; zeros for an empty mask."""
        left, top, width, height = coco.toBbox(self._coco()).tolist()
        return left, top, left + width, top + height

    def _coco(self) -> dict[str, Any]:
        return {"size": list(self.size_hw), "counts": self.counts.encode("ascii")}


def union(masks: Sequence[Rle]) -> Rle:
    """The pixels that any of the masks of one image has; at least one mask."""
    merged: dict[str, Any] = coco.merge([mask._coco() for mask in masks])
    return Rle(masks[0].size_hw, merged["counts"].decode("ascii"))


def overlap(masks: Sequence[Rle]) -> bool:
    """Whether two of the masks of one image share a pixel."""
    union: dict[str, Any] = coco.merge([mask._coco() for mask in masks])
    return int(coco.area(union)) != sum(mask.area for mask in masks)
