"""Image paths and boxes in a few arrays: a million boxes take 50 MB."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from detcli.datasets.instance_masks import ImageMasks
from detcli.io.images.headers import ImageHeader, header_of, read_header
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.io.read import read_bytes


@dataclass(frozen=True, slots=True)
class AnnotationTables:
    """Checked annotations of P images with N boxes.

    unit        of the boxes: "pixels" of the size in `sizes_hw`, or "fractions" of the upright width and height
    paths       path of each image, as the user can type it
    names       relative name of each image, with "/" between parts
    image_ids   int64 [P]
    sizes_hw    int32 [P, 2]    size that the boxes are for; 0 if the annotations have none
    starts      int64 [P + 1]   image i has the boxes starts[i] to starts[i + 1]
    boxes_xyxy  float64 [N, 4]
    class_ids   int64 [N]
    crowd       bool [N]
    areas       float64 [N]     from the annotations, in pixels; NaN if they have none
    masks       masks of the N boxes; None if they are not requested
    some_masks  boxes without a mask have an empty one
    stored      by index, reads the bytes of an image that is no file of its own; raises ImageError
    """

    unit: Literal["pixels", "fractions"]
    paths: list[str]
    names: list[str]
    image_ids: npt.NDArray[np.int64]
    sizes_hw: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    boxes_xyxy: npt.NDArray[np.float64]
    class_ids: npt.NDArray[np.int64]
    crowd: npt.NDArray[np.bool_]
    areas: npt.NDArray[np.float64]
    masks: ImageMasks | None = None
    some_masks: bool = False
    stored: Mapping[int, Callable[[], bytes]] = field(default_factory=dict)

    def image_bytes(self, index: int) -> bytes:
        """The bytes of an image file. Raises ImageError."""
        if index in self.stored:
            return self.stored[index]()
        return read_bytes(self.paths[index], max_bytes=MAX_IMAGE_BYTES)

    def image_header(self, index: int) -> ImageHeader:
        """The header of an image file. Raises ImageError."""
        if index in self.stored:
            return header_of(self.stored[index]())
        return read_header(self.paths[index], max_bytes=MAX_IMAGE_BYTES)
