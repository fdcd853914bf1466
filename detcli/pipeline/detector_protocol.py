"""What the pipeline asks of a detector."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Pixels, Unreadable

if TYPE_CHECKING:
    from PIL import Image


class Detecting(Protocol):
    """Frames in, detections out; `inference.detector.Detector` is one.

    batch_size     most frames a call; read anew before each, since it may shrink
    deterministic  calls are to be whole batches, counted from the start of the input; `batch_size` then stays
    """

    batch_size: int
    deterministic: bool

    @property
    def look_ahead(self) -> int:
        """Most frames to choose those of a call from; `batch_size` where all pictures are alike."""

    def choose(self, frames: Sequence[Frame | Unreadable]) -> list[int]:
        """Places of the frames of the next call, the first one always among them, in order."""

    def resize(self, image: "Image.Image") -> Pixels:
        """Do ahead, in any thread, what a decoded picture needs before the network."""

    def prepare(self, frame: Frame | Unreadable) -> Frame | Unreadable:
        """The same for a frame that has its full-size pixels; nothing for one that was resized."""

    def __call__(self, frames: Sequence[Frame | Unreadable]) -> list[Detections | Unreadable]:
        """Detect; what could not be read comes back as it is."""
