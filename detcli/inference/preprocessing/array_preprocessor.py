"""Frames -> one batch of numpy arrays, for runtimes that scale pixels themselves; it needs no torch."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from detcli.inference.preprocessing.frame_preparation import FramePreparation
from detcli.inference.preprocessing.resize_rules import SizeHW
from detcli.runtimes.exported.array_io import ArrayBatch
from detcli.structures.frame import Frame, Pixels


class ArrayPreprocessor(FramePreparation):
    """Frames of one input size -> batch."""

    def batch(self, frames: Sequence[Frame]) -> ArrayBatch:
        """Return one batch of all frames, which have one size. Raises ValueError for frames of different sizes."""
        prepared = [cast("Pixels", self.prepare(frame).prepared) for frame in frames]
        sizes = np.array([frame.size_hw for frame in frames], np.int64)
        resized = np.array([pixels.shape[:2] for pixels in prepared], np.int64)
        return ArrayBatch(_stacked(prepared, self.preprocessing.pad_size_hw), sizes, resized)


def _stacked(images: Sequence[Pixels], size_hw: SizeHW | None) -> Pixels:
    """Images uint8 [H, W, 3] as one array [B, H, W, 3], padded with black to a size if it is given."""
    shapes = {image.shape for image in images}
    if shapes == {(*(size_hw or images[0].shape[:2]), 3)}:
        return np.stack(images)
    if size_hw is None:
        raise ValueError("images of different sizes cannot share a batch of an exported model")
    padded = np.zeros((len(images), *size_hw, 3), np.uint8)
    for row, image in zip(padded, images, strict=True):
        row[: image.shape[0], : image.shape[1]] = image
    return padded
