"""Frames -> one batch of numpy arrays, for runtimes that scale pixels themselves; it needs no torch."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from detcli.inference.preprocessing.frame_preparation import FramePreparation
from detcli.runtimes.exported.array_io import ArrayBatch
from detcli.structures.frame import Frame, Pixels


class ArrayPreprocessor(FramePreparation):
    """Frames of one input size -> batch."""

    def batch(self, frames: Sequence[Frame]) -> ArrayBatch:
        """Return one batch of all frames, which have one size. Raises ValueError for frames of different sizes."""
        prepared = [cast("Pixels", self.prepare(frame).prepared) for frame in frames]
        sizes = np.array([frame.size_hw for frame in frames], np.int64)
        resized = np.array([pixels.shape[:2] for pixels in prepared], np.int64)
        if len({pixels.shape for pixels in prepared}) > 1:
            raise ValueError("images of different sizes cannot share a batch of an exported model")
        return ArrayBatch(self._padded(np.stack(prepared)), sizes, resized)

    def _padded(self, pixels: Pixels) -> Pixels:
        size_hw = self.preprocessing.pad_size_hw
        if size_hw is None or pixels.shape[1:3] == size_hw:
            return pixels
        padded = np.zeros((len(pixels), *size_hw, 3), np.uint8)
        padded[:, : pixels.shape[1], : pixels.shape[2]] = pixels
        return padded
