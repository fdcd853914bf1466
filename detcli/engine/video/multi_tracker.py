"""Tracks of several sources in one run: each source has its own tracker."""

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.tracking.byte_track import Tracker, TrackerSettings


class MultiSourceTracker:
    """Passes each result to the tracker of its source; boxes without a track are dropped.

    threshold  of the run: tracks begin a step above it (see `TrackerSettings.of_threshold`)
    """

    def __init__(self, threshold: float) -> None:
        self.settings = TrackerSettings.of_threshold(threshold)
        self._trackers: dict[str, Tracker] = {}

    @property
    def detection_threshold(self) -> float:
        """Scores from here on can continue tracks: the detector must return these boxes too."""
        return self.settings.low_threshold

    @property
    def tracks(self) -> int:
        """Number of track ids, of all sources."""
        return sum(tracker.track_count for tracker in self._trackers.values())

    def __call__(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> Detections | FailedFrame:
        """The result with `track_ids`."""
        source = frame.origin.source
        if source not in self._trackers:
            self._trackers[source] = Tracker(self.settings)
        return self._trackers[source].track(frame, detections)
