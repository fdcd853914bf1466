"""Tracks of several sources in one run: each source has its own tracker."""

from typing import TYPE_CHECKING

from detcli.engine.requests.run_request import RunRequest
from detcli.structures.class_labels import ClassValues
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.tracking.byte_track import Tracker, TrackerSettings

if TYPE_CHECKING:
    from detcli.inference.detector import Detector


def tracker_of(request: RunRequest, detector: "Detector") -> "MultiSourceTracker | None":
    """The tracker of a run; None for a run without tracks."""
    if not request.tracks:
        return None
    return MultiSourceTracker(
        detector.threshold, detector.selection.class_thresholds, weak_boxes=request.keeps_weak_boxes
    )


class MultiSourceTracker:
    """Passes each result to the tracker of its source; boxes without a track are dropped.

    threshold         of the run: tracks begin a step above it (see `TrackerSettings.of_threshold`)
    class_thresholds  of classes that have another one
    weak_boxes        also return the boxes of tracks that are not above the threshold; they keep tracks alive in either case
    """

    def __init__(self, threshold: float, class_thresholds: ClassValues = (), *, weak_boxes: bool = False) -> None:
        self.settings = TrackerSettings.of_threshold(threshold, class_thresholds)
        self._weak_boxes = weak_boxes
        self._trackers: dict[str, Tracker] = {}
        self._returned: dict[str, set[int]] = {}  # track ids

    @property
    def detection_threshold(self) -> float:
        """Scores from here on can continue tracks: the detector must return these boxes too."""
        return self.settings.least_threshold

    @property
    def tracks(self) -> int:
        """Number of track ids returned so far, of all sources."""
        return sum(map(len, self._returned.values()))

    def __call__(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> Detections | FailedFrame:
        """The result with `track_ids`."""
        source = frame.origin.source
        if source not in self._trackers:
            self._trackers[source], self._returned[source] = Tracker(self.settings), set()
        tracked = self._trackers[source].track(frame, detections)
        if isinstance(tracked, FailedFrame):
            return tracked
        if not self._weak_boxes:
            tracked = tracked[tracked.scores > self.settings.high_thresholds(tracked.class_ids)]
        if tracked.track_ids is not None:
            self._returned[source].update(tracked.track_ids.tolist())
        return tracked
