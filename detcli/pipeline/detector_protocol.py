"""What the pipeline asks of a detector."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels

if TYPE_CHECKING:
    from PIL import Image


class DetectorProtocol(Protocol):
    """Frames in, detections out; `inference.detector.Detector` is one.

    batch_size     most frames in a call; read before each call, since it may become smaller
    deterministic  calls must be full batches, counted from the start of the input; `batch_size` then stays the same
    """

    @property
    def batch_size(self) -> int:
        """Most frames in a call."""

    @property
    def deterministic(self) -> bool:
        """Whether calls must be full batches."""

    @property
    def look_ahead(self) -> int:
        """Most frames to choose those of a call from; `batch_size` where all images are alike."""

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        """Places of the frames of the next call, the first one always among them, in order."""

    def resize(self, image: "Image.Image") -> Pixels:
        """Do ahead, in any thread, what a decoded image needs before the network."""

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        """The same for a frame that has its full-size pixels; nothing for one that was resized."""

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect; what could not be read comes back as it is."""
