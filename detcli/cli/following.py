"""Tracks of several sources in one run: each has a tracker of its own."""

from detcli.tracking.byte_track import Tracker, TrackerSettings
from detcli.values.detections import Detections
from detcli.values.frame import Frame, Unreadable


class Following:
    """Hands each result to the tracker of its source; boxes that belong to no track are dropped.

    threshold  of the run: tracks begin a step above it (see `TrackerSettings.of_threshold`)
    """

    def __init__(self, threshold: float) -> None:
        self.settings = TrackerSettings.of_threshold(threshold)
        self._trackers: dict[str, Tracker] = {}
        self._last: dict[str, int] = {}

    @property
    def tracks(self) -> int:
        """Numbers given out, of all sources."""
        return sum(self._last.values())

    def __call__(self, frame: Frame | Unreadable, detections: Detections | Unreadable) -> Detections | Unreadable:
        """The result with `track_ids`."""
        place = frame.origin.relative.rpartition("/")[0]
        if place not in self._trackers:
            self._trackers[place] = Tracker(self.settings)
        tracked = self._trackers[place].follow(frame, detections)
        if isinstance(tracked, Detections) and tracked.track_ids is not None and len(tracked):
            self._last[place] = max(self._last.get(place, 0), int(tracked.track_ids.max()))
        return tracked
