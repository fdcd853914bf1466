"""Masks of ground truth, from what annotations say to what becomes of them when an image is cut, resized or mirrored."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from detcli.structures.masks import Rle
from detcli.structures.rle import check

Bools = npt.NDArray[np.bool_]
Outline = tuple["array[float]", ...] | Rle  # polygons x, y, x, y, …, in pixels; or runs


class ImageMasks(Protocol):
    """The masks of all ground truth of a dataset, made when somebody asks."""

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """Those of one image, in the order of its ground truth.

        rows     of its ground truth among all
        size_hw  of the image that they were drawn on

        Raises PictureError where they cannot be read.
        """


@dataclass(frozen=True, slots=True)
class OutlineMasks:
    """Masks of which the annotations hold the outlines; one a ground truth."""

    outlines: Sequence[Outline]

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """Draw them."""
        return tuple(draw_outline(self.outlines[row], size_hw) for row in rows)


def read_outline(segmentation: object) -> Outline | None:
    """What COCO calls a segmentation, in little memory; None where it is none.

    segmentation  polygons [[x, y, x, y, …], …], or runs {"size": [h, w], "counts": text or numbers}
    """
    if isinstance(segmentation, list):
        return _read_polygons(segmentation)
    if not isinstance(segmentation, dict):
        return None
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list) or len(size) != 2 or any(type(side) is not int or side < 1 for side in size):
        return None
    return _read_runs((size[0], size[1]), counts)


def _read_polygons(parts: Sequence[Any]) -> Outline | None:
    """Those parts that have an area at all: three corners at the least."""
    if any(not isinstance(part, list) or len(part) % 2 for part in parts):
        return None
    try:
        polygons = tuple(array("f", part) for part in parts if len(part) >= 6)
    except (TypeError, OverflowError):
        return None
    finite = all(np.isfinite(np.frombuffer(polygon, np.float32)).all() for polygon in polygons)
    return polygons if polygons and finite else None


def _read_runs(size_hw: tuple[int, int], counts: object) -> Rle | None:
    height, width = size_hw
    if isinstance(counts, list):
        if any(type(run) is not int or run < 0 for run in counts) or sum(counts) != height * width:
            return None
        packed: Any = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        return Rle(size_hw, packed["counts"].decode("ascii"))
    if not isinstance(counts, str):
        return None
    runs = Rle(size_hw, counts)
    try:
        check(runs)
    except ValueError:
        return None
    return runs


def draw_outline(outline: Outline, size_hw: tuple[int, int]) -> Rle:
    """The mask of an outline on an image of this size; of runs of another size nothing."""
    if isinstance(outline, Rle):
        return outline if outline.size_hw == size_hw else Rle.of(np.zeros(size_hw, np.bool_))
    height, width = size_hw
    parts: Any = coco.frPyObjects([polygon.tolist() for polygon in outline], height, width)
    found: Any = coco.merge(parts)
    return Rle(size_hw, found["counts"].decode("ascii"))


def stretch_mask(mask: Bools, size_hw: tuple[int, int]) -> Bools:
    """A mask [H, W] at another size: each pixel as the one that its middle falls on."""
    if mask.shape == size_hw:
        return mask
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size_hw, mask.shape, strict=True))
    stretched: Bools = mask[rows][:, columns]
    return stretched


def change_masks(masks: tuple[Rle, ...] | None, change: Callable[[Bools], Bools]) -> tuple[Rle, ...] | None:
    """Each mask after a change, one at a time; None stays None."""
    return None if masks is None else tuple(Rle.of(change(mask.decode())) for mask in masks)
