"""What the pipeline asks of a detector."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels

if TYPE_CHECKING:
    from PIL import Image


class DetectorProtocol(Protocol):
    """Frames in, detections out; `inference.detector.Detector` is one.

    batch_size     most frames a call; read anew before each, since it may shrink
    deterministic  calls are to be whole batches, counted from the start of the input; `batch_size` then stays
    """

    batch_size: int
    deterministic: bool

    @property
    def look_ahead(self) -> int:
        """Most frames to choose those of a call from; `batch_size` where all images are alike."""

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        """Places of the frames of the next call, the first one always among them, in order."""

    def resize(self, image: "Image.Image") -> Pixels:
        """Do ahead, in any thread, what a decoded image needs before the network."""

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        """The same for a frame that has its full-size pixels; nothing for one that was resized."""

    def __call__(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect; what could not be read comes back as it is."""
