"""What writers of datasets have in common: the image that they take, and the files that they write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from detcli.sinks.folders.output_folder import OutputFolder
from detcli.sinks.ground_truth.mask_outline import Points, mask_outline
from detcli.structures.class_labels import ClassLabels
from detcli.structures.ground_truth import GroundTruth

WHOLE = "data"  # the name of the part of a dataset without parts


@dataclass(frozen=True, slots=True)
class LabeledImage:
    """An image with its ground truth.

    name      in the output, relative to the folder of the images of its part
    image_id  in its dataset
    """

    name: str
    image_id: int
    size_hw: tuple[int, int]
    truth: GroundTruth

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        folder, slash, name = self.name.rpartition("/")
        return folder + slash + (name.rpartition(".")[0] or name)

    def without_crowds(self) -> GroundTruth:
        """The ground truth that is not a crowd."""
        return self.truth[~self.truth.crowd]


class DatasetWriter(Protocol):
    """Writes the annotations of a dataset image by image, and the files about all of them at the end.

    last           file that `finish` writes last, below the folder
    keeps_crowds   whether crowds are written
    keeps_boxes    whether an object with a mask has a box of its own
    unique_stems   an image has a file of its own: names differ in more than the suffix
    one_folder     images of all parts are in one folder
    spaces         names of images may have spaces
    reduced        number of masks so far whose polygon is not the whole mask
    """

    last: str
    keeps_crowds: bool
    keeps_boxes: bool
    unique_stems: bool
    one_folder: bool
    spaces: bool
    reduced: int

    def __init__(self, folder: OutputFolder, labels: ClassLabels, parts: Sequence[str]) -> None: ...

    def image_folder(self, part: str) -> str:
        """The folder of the images of a part, below that of the dataset."""

    def add(self, part: str, image: LabeledImage) -> None:
        """Write the annotations of an image. Raises OutputError."""

    def finish(self) -> None:
        """Write the rest. Raises OutputError."""


WriterFactory = Callable[[OutputFolder, ClassLabels, Sequence[str]], DatasetWriter]


def outlines(truth: GroundTruth) -> tuple[list[Points | None], int]:
    """The polygon of each object, and how many are not the whole mask; None for an object without a mask, or with an empty one."""
    if truth.masks is None:
        return [None] * len(truth), 0
    found = [mask_outline(mask) for mask in truth.masks]
    return [points if len(points) else None for points, _ in found], sum(not is_whole for _, is_whole in found)


def fractions(points: Points, size_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Points as fractions of the width and the height of the image."""
    return points / np.array([size_hw[1], size_hw[0]], np.float64)
