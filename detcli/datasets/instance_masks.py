"""Masks of the ground truth: read from annotations, and changed when an image is cropped, resized or flipped."""

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from detcli.errors import ImageError
from detcli.io.coco.coco_entries import read_rle
from detcli.structures.masks import Rle

_MAX_LENGTH = 1e7  # pixels; pycocotools takes about 100 bytes for each
_MAX_SIDES = 500.0  # of the image, which the edges of a polygon in fractions may be long; more is nonsense

Bools = npt.NDArray[np.bool_]
Polygons = tuple["array[float]", ...]  # x, y, x, y, …
Outline = Polygons | Rle  # polygons in pixels, or RLE

# True: objects without a mask are left out; "optional": they stay and have an empty one, and data without any has none.
MaskUse = bool | Literal["optional"]


class ImageMasks(Protocol):
    """The masks of a dataset, decoded on demand."""

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """The masks of one image, in the order of its boxes.

        rows     rows of the image's boxes among those of all images
        size_hw  size of the image that the masks are for

        Raises ImageError if they cannot be read.
        """


@dataclass(frozen=True, slots=True)
class OptionalMasks:
    """Masks that may be missing: those that cannot be read are empty."""

    masks: ImageMasks

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """The masks of one image."""
        try:
            return self.masks.of_image(image, rows, size_hw)
        except ImageError:
            return (Rle.empty(size_hw),) * len(rows)


@dataclass(frozen=True, slots=True)
class MaskMaker:
    """Makes the masks of a dataset.

    make      from the source of each object's mask, and the indices of the images in the annotations
    optional  sources may be None
    """

    make: Callable[[list[Any], list[int]], ImageMasks]
    optional: bool = False

    @classmethod
    def of(cls, masks: MaskUse, make: Callable[[list[Any], list[int]], ImageMasks]) -> "MaskMaker | None":
        """As requested; None for no masks."""
        return cls(make, masks == "optional") if masks else None

    def __call__(self, sources: list[Any], images: list[int]) -> ImageMasks | None:
        """The masks; None if they are optional and there is none."""
        if not self.optional:
            return self.make(sources, images)
        return None if all(source is None for source in sources) else OptionalMasks(self.make(sources, images))


@dataclass(frozen=True, slots=True)
class OutlineMasks:
    """Masks from the outlines in the annotations, one per box."""

    outlines: Sequence[Outline | None]

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """Draw the masks of one image."""
        return tuple(draw_outline(self.outlines[row], size_hw) for row in rows)


def outline_masks(masks: MaskUse) -> MaskMaker | None:
    """Makes masks from the outlines in the annotations, as requested; None for no masks."""
    return MaskMaker.of(masks, lambda outlines, _: OutlineMasks(outlines))


@dataclass(frozen=True, slots=True)
class FractionOutlines:
    """Masks from polygons in fractions of the image, one per box."""

    outlines: Sequence[Polygons | None]

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """Draw the masks of one image, as those of polygons in pixels are drawn."""
        sides = np.array([size_hw[1], size_hw[0]])
        return tuple(draw_outline(_scaled(self.outlines[row], sides), size_hw) for row in rows)


def _scaled(polygons: Polygons | None, sides_wh: npt.NDArray[np.int64]) -> Polygons | None:
    if polygons is None:
        return None
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


def draw_outline(outline: Outline | None, size_hw: tuple[int, int]) -> Rle:
    """The mask of an outline for an image of this size; empty for RLE of another size, and for none."""
    if outline is None or (isinstance(outline, Rle) and outline.size_hw != size_hw):
        return Rle.empty(size_hw)
    if isinstance(outline, Rle):
        return outline
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
