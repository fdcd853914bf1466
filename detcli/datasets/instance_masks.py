"""Masks of the ground truth: read from annotations, and changed when an image is cropped, resized or flipped."""

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from detcli.io.coco.coco_entries import read_rle
from detcli.structures.masks import Rle

_MAX_LENGTH = 1e7  # pixels; pycocotools takes about 100 bytes for each
_MAX_SIDES = 500.0  # of the image, which the edges of a polygon in fractions may be long; more is nonsense

Bools = npt.NDArray[np.bool_]
Polygons = tuple["array[float]", ...]  # x, y, x, y, …
Outline = Polygons | Rle  # polygons in pixels, or RLE


class ImageMasks(Protocol):
    """The masks of a dataset, decoded on demand."""

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """The masks of one image, in the order of its boxes.

        rows     rows of the image's boxes among those of all images
        size_hw  size of the image that the masks are for

        Raises ImageError if they cannot be read.
        """


@dataclass(frozen=True, slots=True)
class OutlineMasks:
    """Masks from the outlines in the annotations, one per box."""

    outlines: Sequence[Outline]

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """Draw the masks of one image."""
        return tuple(draw_outline(self.outlines[row], size_hw) for row in rows)


@dataclass(frozen=True, slots=True)
class FractionOutlines:
    """Masks from polygons in fractions of the image, one per box."""

    outlines: Sequence[Polygons]

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """Draw the masks of one image, as those of polygons in pixels are drawn."""
        sides = np.array([size_hw[1], size_hw[0]])
        return tuple(draw_outline(_scaled(self.outlines[row], sides), size_hw) for row in rows)


def _scaled(polygons: Polygons, sides_wh: npt.NDArray[np.int64]) -> Polygons:
    return tuple(array("f", (np.frombuffer(polygon).reshape(-1, 2) * sides_wh).reshape(-1)) for polygon in polygons)


def fraction_outline(values: Sequence[float]) -> Polygons | None:
    """The polygon of finite numbers x, y, x, y, …; None without three different points, or if it is far too long."""
    polygons = (array("d", values),)
    points = set(zip(values[::2], values[1::2], strict=True))
    return polygons if len(points) >= 3 and _length(polygons) <= _MAX_SIDES else None


def read_outline(segmentation: object) -> Outline | None:
    """Read a COCO segmentation into little memory; None if it is invalid.

    segmentation  polygons [[x, y, x, y, …], …], or RLE {"size": [h, w], "counts": text or numbers}
    """
    if isinstance(segmentation, list):
        return _read_polygons(segmentation)
    return read_rle(segmentation) if isinstance(segmentation, dict) else None


def _read_polygons(parts: Sequence[Any]) -> Outline | None:
    """The polygons with at least three corners."""
    if any(not isinstance(part, list) or len(part) % 2 for part in parts):
        return None
    try:
        polygons = tuple(array("f", part) for part in parts if len(part) >= 6)
    except (TypeError, OverflowError):
        return None
    return polygons if polygons and _length(polygons) <= _MAX_LENGTH else None


def _length(polygons: Sequence["array[float]"]) -> float:
    """Length of all edges in pixels, which drawing takes memory for; infinity if a number is not finite."""
    length = 0.0
    for polygon in polygons:
        corners = np.array(polygon, np.float64).reshape(-1, 2)
        if not np.isfinite(corners).all():
            return math.inf
        length += float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum())
    return length


def draw_outline(outline: Outline, size_hw: tuple[int, int]) -> Rle:
    """The mask of an outline for an image of this size; empty for RLE of another size."""
    if isinstance(outline, Rle):
        return outline if outline.size_hw == size_hw else Rle.of(np.zeros(size_hw, np.bool_))
    height, width = size_hw
    parts: Any = coco.frPyObjects([polygon.tolist() for polygon in outline], height, width)
    merged: Any = coco.merge(parts)
    return Rle(size_hw, merged["counts"].decode("ascii"))


def stretch_mask(mask: Bools, size_hw: tuple[int, int]) -> Bools:
    """Resize a mask [H, W] to the nearest pixel."""
    if mask.shape == size_hw:
        return mask
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size_hw, mask.shape, strict=True))
    stretched: Bools = mask[rows][:, columns]
    return stretched


def change_masks(masks: tuple[Rle, ...] | None, change: Callable[[Bools], Bools]) -> tuple[Rle, ...] | None:
    """Apply a function to each mask, one at a time; None stays None."""
    return None if masks is None else tuple(Rle.of(change(mask.decode())) for mask in masks)
