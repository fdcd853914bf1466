"""How long a detector takes: what a run shows while it goes on."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from detcli.pipeline.detector_protocol import DetectorProtocol
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Pixels

if TYPE_CHECKING:
    from PIL import Image

_WEIGHT = 0.2  # of the last call in the mean


class TimedDetector:
    """A detector whose calls are timed.

    latency_s  a running mean of the seconds from frames to detections; None before the first call
    """

    def __init__(self, detector: DetectorProtocol) -> None:
        self._detector = detector
        self.deterministic = detector.deterministic
        self.latency_s: float | None = None

    @property
    def batch_size(self) -> int:
        """Of the detector, which may shrink it."""
        return self._detector.batch_size

    @property
    def look_ahead(self) -> int:
        """Of the detector."""
        return self._detector.look_ahead

    def choose(self, frames: Sequence[Frame | FailedFrame]) -> list[int]:
        """Leave it to the detector."""
        return self._detector.choose(frames)

    def resize(self, image: "Image.Image") -> Pixels:
        """Leave it to the detector."""
        return self._detector.resize(image)

    def prepare(self, frame: Frame | FailedFrame) -> Frame | FailedFrame:
        """Leave it to the detector."""
        return self._detector.prepare(frame)

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """Detect, and look at the clock."""
        begun = time.monotonic()
        found = self._detector.detect_frames(frames)
        if any(isinstance(frame, Frame) for frame in frames):
            taken = time.monotonic() - begun
            self.latency_s = taken if self.latency_s is None else (1 - _WEIGHT) * self.latency_s + _WEIGHT * taken
        return found
