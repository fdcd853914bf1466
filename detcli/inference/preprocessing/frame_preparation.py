"""The part of preprocessing that needs no device: the size of each image, and its resized pixels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from PIL import Image

from detcli.inference.preprocessing.preprocessing import Preprocessing
from detcli.inference.preprocessing.resize_rules import SizeHW
from detcli.structures.frame import Frame, Pixels


class FramesToBatch(Protocol):
    """Turns frames into batches of tensors or arrays."""

    preprocessing: Preprocessing

    def resize(self, image: Image.Image) -> Pixels:
        """Return the pixels that `batch` needs of a decoded image."""

    def prepare(self, frame: Frame) -> Frame:
        """Return the frame with resized pixels; unchanged if it has them."""

    def batch_size_hw(self, frame: Frame) -> SizeHW:
        """Return the input size of a frame in a batch without other frames."""

    def batch(self, frames: Sequence[Frame]) -> Any:
        """Return one batch of all frames: Batch or ArrayBatch, as the runtime takes it."""


class FramePreparation:
    """Resizes frames; `resize` and `prepare` may run ahead in any thread."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing

    def prepare(self, frame: Frame) -> Frame:
        """Return the frame with resized pixels; unchanged if it has them."""
        if frame.prepared is not None:
            return frame
        if frame.pixels is None:
            raise ValueError(f"frame {frame.origin.index} has neither pixels nor prepared pixels")
        height, width = frame.pixels.shape[:2]
        if self.preprocessing.resized_hw((height, width)) == (height, width):
            return replace(frame, prepared=frame.pixels)
        return replace(frame, prepared=self.preprocessing.resize(Image.fromarray(frame.pixels)))

    def resize(self, image: Image.Image) -> Pixels:
        """Return the pixels that `batch` needs of a decoded image."""
        return self.preprocessing.resize(image)

    def batch_size_hw(self, frame: Frame) -> SizeHW:
        """Return the input size of a frame in a batch without other frames."""
        if self.preprocessing.size_hw is not None:
            return self.preprocessing.size_hw
        if frame.prepared is not None:
            return frame.prepared.shape[0], frame.prepared.shape[1]
        return self.preprocessing.resized_hw(frame.size_hw)
