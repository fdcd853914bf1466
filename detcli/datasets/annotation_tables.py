"""Images and their boxes in a few arrays, so that a million boxes take 50 MB."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from detcli.datasets.instance_masks import ImageMasks


@dataclass(frozen=True, slots=True)
class AnnotationTables:
    """P images and their N boxes, checked.

    unit        "pixels" of the size in `sizes_hw`; "fractions" of the upright image's width and height
    paths       of each image's file, as the user can type it
    names       of each image, relative, "/" between parts
    image_ids   int64 [P]
    sizes_hw    int32 [P, 2]    of the images that the boxes were drawn on; 0 where the annotations do not say
    starts      int64 [P + 1]   the boxes of image i are those from starts[i] to starts[i + 1]
    boxes_xyxy  float64 [N, 4]
    class_ids   int64 [N]
    crowd       bool [N]
    areas       float64 [N]     as the annotations give them, in pixels; NaN where they do not
    masks       of the N ground truth; None where nobody asked for them
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
