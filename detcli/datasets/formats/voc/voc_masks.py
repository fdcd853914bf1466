"""Masks of Pascal VOC: PNGs of `SegmentationObject`, whose pixels are numbers of objects, and polygons of some tools."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detcli.datasets.formats.number_png import VOID, Numbers, decode_numbers
from detcli.datasets.instance_masks import draw_outline
from detcli.errors import ImageError
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.io.read import read_bytes
from detcli.structures.masks import Rle

SEGMENTS = "SegmentationObject"


@dataclass(frozen=True, slots=True)
class VocMasks:
    """Masks of objects.

    sources  of each object: the number of its pixels in the PNG, or its outline
    pngs     path of the PNG of each image; empty for none
    """

    sources: Sequence[Any]
    pngs: Sequence[str]

    def of_image(self, image: int, rows: range, size_hw: tuple[int, int]) -> tuple[Rle, ...]:
        """The masks of one image. Raises ImageError if the PNG cannot be read or has another size."""
        numbers: Numbers | None = None
        masks = []
        for source in (self.sources[row] for row in rows):
            if not isinstance(source, int):
                masks.append(draw_outline(source, size_hw))
                continue
            if numbers is None:
                numbers = read_object_numbers(self.pngs[image])
            if numbers.shape != size_hw:
                reason = f"its PNG '{self.pngs[image]}' has {numbers.shape[1]} x {numbers.shape[0]} pixels, not {size_hw[1]} x {size_hw[0]}"
                raise ImageError("unsupported", reason)
            masks.append(Rle.of(numbers == source))
        return tuple(masks)


def segment_path(root: Path, relative: str) -> str | None:
    """The PNG of an annotation file in `SegmentationObject` next to the folder of annotations; None if there is none."""
    path = root.parent / SEGMENTS / f"{os.path.splitext(relative)[0]}.png"  # noqa: PTH122 - a name
    return str(path) if os.path.isfile(path) else None  # noqa: PTH113 - any name


def read_object_numbers(path: str) -> Numbers:
    """Number of the object of each pixel, int64 [H, W], in the order of the annotation from 1; 0 for none. Raises ImageError."""
    try:
        numbers = decode_numbers(read_bytes(path, max_bytes=MAX_IMAGE_BYTES))
    except ImageError as error:
        raise ImageError(error.code, f"its PNG '{path}' cannot be read: {error}") from error
    return np.where(numbers == VOID, 0, numbers)
