"""Masks at a picture's own size, kept as COCO's run-length encoding: some kilobytes where pixels would be megabytes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rle:
    """One mask, as pycocotools reads and writes it.

    size_hw  height and width of the picture
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
