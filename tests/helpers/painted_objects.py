"""Images whose pixels tell which object they show, with the masks of these objects."""

import numpy as np

from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle


def painted(
    seed: int, *, size_hw: tuple[int, int] = (60, 80), count: int = 6, first_id: int = 1, background: int = 0
) -> tuple[Pixels, GroundTruth]:
    """Ellipses over each other: all values of a pixel are the class id of the object that it shows, or the background."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    shown = np.full(size_hw, background)
    for class_id in range(first_id, first_id + count):
        center_y, center_x = rng.random(2) * size_hw
        radius_y, radius_x = rng.uniform(4, 18, 2)
        shown[((rows - center_y) / radius_y) ** 2 + ((columns - center_x) / radius_x) ** 2 < 1] = class_id
    pixels = np.repeat(shown[..., None], 3, axis=2).astype(np.uint8)
    return pixels, ground_truth_shown(pixels, [i for i in range(first_id, first_id + count) if (shown == i).any()])


def ground_truth_shown(pixels: Pixels, class_ids: list[int]) -> GroundTruth:
    """The exact ground truth of such an image."""
    masks = tuple(Rle.of(pixels[..., 0] == class_id) for class_id in class_ids)
    boxes = np.array([mask.box_xyxy for mask in masks], np.float64).reshape(-1, 4)
    return GroundTruth(boxes, np.array(class_ids, np.int64), np.zeros(len(masks), np.bool_), masks)
