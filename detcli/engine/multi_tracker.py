"""Tracks of several sources in one run: each has a tracker of its own."""

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.tracking.byte_track import Tracker, TrackerSettings


class MultiSourceTracker:
    """Hands each result to the tracker of its source; boxes that belong to no track are dropped.

    threshold  of the run: tracks begin a step above it (see `TrackerSettings.of_threshold`)
    """

    def __init__(self, threshold: float) -> None:
        self.settings = TrackerSettings.of_threshold(threshold)
        self._trackers: dict[str, Tracker] = {}

    @property
    def tracks(self) -> int:
        """Numbers given out, of all sources."""
        return sum(tracker.given for tracker in self._trackers.values())

    def __call__(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> Detections | FailedFrame:
        """The result with `track_ids`."""
        place = frame.origin.relative.rpartition("/")[0]
        if place not in self._trackers:
            self._trackers[place] = Tracker(self.settings)
        return self._trackers[place].follow(frame, detections)
