"""The boxes of a dataset in a few arrays, for checks and statistics."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.datasets.dataset import Dataset
from detcli.errors import ImageError

Boxes = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class InputSizing:
    """How images are resized for a network.

    name        of resized images, for messages
    resized_hw  height and width of an image after resizing, without a border, from its own
    image_size  height and width that images get, or that they do not exceed; None: they keep their own
    """

    name: str
    resized_hw: Callable[[tuple[int, int]], tuple[int, int]]
    image_size: tuple[int, int] | None = None

    @classmethod
    def stretched(cls, size_hw: tuple[int, int]) -> "InputSizing":
        """All images get one size."""
        return cls(f"images of {size_hw[0]} x {size_hw[1]}", lambda _: size_hw, size_hw)


@dataclass(frozen=True, slots=True)
class BoxTable:
    """N boxes of P images, without crowds, in the order of the images.

    images      int64 [N]       index of the image of each box
    boxes_xyxy  float64 [N, 4]  in pixels of the upright image
    class_ids   int64 [N]
    sizes_wh    float64 [P, 2]  width and height of each image; NaN if unknown
    """

    images: Indices
    boxes_xyxy: Boxes
    class_ids: Indices
    sizes_wh: Boxes

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sides_wh(self) -> Boxes:
        """Width and height of each box, float64 [N, 2]."""
        return self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]

    @property
    def image_wh(self) -> Boxes:
        """Width and height of the image of each box, float64 [N, 2]."""
        return self.sizes_wh[self.images]

    def sized_wh(self, sizing: InputSizing) -> Boxes:
        """Width and height of each box after its image is resized, float64 [N, 2]."""
        sizes, inverse = np.unique(self.image_wh, axis=0, return_inverse=True)
        resized = [sizing.resized_hw((int(height), int(width)))[::-1] for width, height in sizes.tolist()]
        resized_wh = np.array(resized, np.float64).reshape(-1, 2)[inverse.reshape(-1)]
        return np.asarray(self.sides_wh * resized_wh / self.image_wh)


def read_boxes(dataset: Dataset) -> BoxTable:
    """The boxes of all images; images whose size is unknown have none."""
    images, boxes, class_ids = [], [], []
    sizes = np.full((len(dataset), 2), np.nan)
    for index in range(len(dataset)):
        size_hw = dataset.size_hw(index)
        if size_hw is None:
            continue
        sizes[index] = size_hw[::-1]
        try:
            found = dataset.ground_truth(index)
        except ImageError:  # of masks, which are not needed
            continue
        found = found[~found.crowd]
        images.append(np.full(len(found), index, np.int64))
        boxes.append(found.boxes_xyxy)
        class_ids.append(found.class_ids)
    if not images:
        return BoxTable(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.int64), sizes)
    return BoxTable(np.concatenate(images), np.concatenate(boxes), np.concatenate(class_ids), sizes)
