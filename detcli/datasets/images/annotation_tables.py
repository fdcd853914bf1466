"""Image paths and boxes in a few arrays: a million boxes take 50 MB."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from detcli.datasets.instance_masks import ImageMasks


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
