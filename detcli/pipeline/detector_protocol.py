"""What the pipeline expects of a detector."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from detcli.inference.batches.pending_detections import PendingDetections
from detcli.structures.detections import Detections
from detcli.structures.frame import BandedResize, FailedFrame, Frame, Resize


class DetectorProtocol(Protocol):
    """Frames in, detections out; `inference.detector.Detector` is one."""

    @property
    def batch_size(self) -> int:
        """Most frames per call; read again before each call, since it may shrink."""

    @property
    def deterministic(self) -> bool:
        """Whether calls must be full batches, counted from the start of the input; `batch_size` is then constant."""

    @property
    def look_ahead(self) -> int:
        """Most frames to choose those of a call from; `batch_size` where all images have one size."""

    @property
    def batches_in_flight(self) -> int:
        """How many calls of `submit` keep the device busy; 1: only `detect_frames` is called."""

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        """Indices of the frames of the next call in order, always with the first frame."""

    @property
    def resize(self) -> Resize | None:
        """Prepares a decoded image for the network, ahead of the call and in any thread; None: frames keep their pixels."""

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        """The same for a frame with its full-size pixels; a frame that was resized is returned as it is."""

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect; a frame that could not be read is returned as it is."""

    def submit(self, frames: Sequence[Frame | FailedFrame]) -> PendingDetections:
        """Start to detect in the frames of one call; results are collected in the order of the calls."""


@runtime_checkable
class TakesBands(Protocol):
    """A detector that needs no more than some rows of a large image at a time."""

    def takes_bands(self, size_hw: tuple[int, int]) -> bool:
        """Whether an image of this size may come as bands of rows."""


def resize_of(detector: DetectorProtocol) -> Resize | None:
    """How images are resized, or read as bands, for a detector, ahead of the call; None: they are not."""
    if isinstance(detector, TakesBands) and detector.resize is not None:
        return BandedResize(detector.resize, detector.takes_bands)
    return detector.resize
