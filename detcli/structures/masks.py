"""Masks at an image's own size, kept as COCO's run-length encoding: some kilobytes where pixels would be megabytes."""

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
        found: dict[str, Any] = coco.encode(np.asfortranarray(mask, np.uint8))
        return cls((mask.shape[0], mask.shape[1]), found["counts"].decode("ascii"))

    @classmethod
    def of_runs(cls, starts: Ints, stops: Ints, size_hw: tuple[int, int]) -> "Rle":
        """Encode runs of pixels that are counted column by column, in order; two of them may touch.

        starts  int64 [N]
        stops   int64 [N], each after its start: the pixel behind the run
        """
        apart = starts[1:] != stops[:-1]
        starts, stops = np.append(starts[:1], starts[1:][apart]), np.append(stops[:-1][apart], stops[-1:])
        edges = np.empty(2 * len(starts) + 1, np.int64)
        edges[0], edges[1::2], edges[2::2] = 0, starts, stops
        rest = size_hw[0] * size_hw[1] - edges[-1]
        counts = np.append(np.diff(edges), [rest] if rest or not len(starts) else [])
        found = coco.frPyObjects({"size": list(size_hw), "counts": counts.astype(np.int64)}, *size_hw)
        return cls(size_hw, found["counts"].decode("ascii"))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Rle":
        """Read `{"size": [height, width], "counts": text}`, as COCO's results have it."""
        height, width = value["size"]
        return cls((height, width), value["counts"])

    def as_json(self) -> dict[str, Any]:
        """`{"size": [height, width], "counts": text}`."""
        return {"size": list(self.size_hw), "counts": self.counts}

    def decode(self) -> Bools:
        """The mask, bool [H, W]."""
        found: npt.NDArray[np.uint8] = coco.decode(self._coco())
        return found.astype(np.bool_)

    @property
    def area(self) -> int:
        """How many pixels the mask covers."""
        return int(coco.area(self._coco()))

    @property
    def box_xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of what the mask covers; zeros where it covers nothing."""
        left, top, width, height = coco.toBbox(self._coco()).tolist()
        return left, top, left + width, top + height

    def _coco(self) -> dict[str, Any]:
        return {"size": list(self.size_hw), "counts": self.counts.encode("ascii")}
