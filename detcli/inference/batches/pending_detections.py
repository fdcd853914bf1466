"""Detections that a detector may still compute."""

from collections.abc import Sequence
from typing import Protocol

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame


class PendingDetections(Protocol):
    """The results of one batch, in its order."""

    def result(self) -> list[Detections | FailedFrame]:
        """Wait for the results and return them; call it once. Raises DeviceError."""


class FinishedDetections:
    """Results that are there already."""

    def __init__(self, results: Sequence[Detections | FailedFrame]) -> None:
        self._results = list(results)

    def result(self) -> list[Detections | FailedFrame]:
        """Return the results."""
        return self._results
