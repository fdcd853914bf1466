"""Detections of one frame and the next, joined: the same object keeps its number for as long as it is seen.

ByteTrack's thought: boxes that the detector doubts are not thrown away, but may continue a track that no better box
continues; only boxes that it is surest of begin one. A track moves as its Kalman filter predicts, and its number is
given out at its second sighting (of the first frame: at once), so what flickers up once never has one.

Source: Zhang et al. 2022, ByteTrack, and its authors' code. Of its own kind here: time in seconds instead of frames,
classes that are never mixed, overlaps that allow for what the filter is not sure of (at 5 and 10 frames a second IDF1 of
the hard moving shapes rose by 0.17 and 0.06), and of tracks that lie on each other, of one class or of two, the one that
more speaks for is shown; the others live on, since they may be objects that part again.
"""

from dataclasses import replace

import numpy as np

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.tracking.association import duplicates, overshadowed, owners_of
from detcli.tracking.tracker_settings import LOW_THRESHOLD, TrackerSettings
from detcli.tracking.tracks import Bools, Ints, Tracks

__all__ = ["LOW_THRESHOLD", "Tracker", "TrackerSettings"]


class Tracker:
    """Numbers the detections of one source, frame by frame; ids count from 1 and are never given twice.

    given  how many were, so far; also the last one
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks = Tracks.new(Detections.empty())
        self.given = 0
        self._time_s: float | None = None
        self._missing = False  # frames, since the last one

    def follow(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> Detections | FailedFrame:
        """What a run puts between detector and sinks: tracks a frame, and takes note of one that is missing."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            self.gap()
            return detections
        return self.update(detections, frame.origin.time_s or 0.0)

    def gap(self) -> None:
        """Take note that frames are missing: tracks older than `keep_s` are not taken up after it."""
        self._missing = True

    def update(self, detections: Detections, time_s: float) -> Detections:
        """The detections that belong to a track, in their order, with `track_ids`.

        time_s  of the frame, later than the last one's; any step will do

        Raises ValueError where a box is not finite.
        """
        if not np.isfinite(detections.boxes_xyxy).all():
            raise ValueError("a box that is to be tracked is not finite")
        first = self._time_s is None
        tracks = self._alive(time_s)
        order = _best_first(detections)
        found = detections[order]
        owners = owners_of(found, tracks, self.settings)
        owned = owners >= 0
        born = ~owned & (found.scores >= np.float32(self.settings.birth_threshold))
        born &= ~duplicates(found, owned, self.settings.duplicate_overlap)
        seen = tracks[owners[owned]].seen(found[owned]).joined(Tracks.new(found[born], known=first))
        places = np.concatenate((np.flatnonzero(owned), np.flatnonzero(born)))  # in `found`, one for each that is seen
        shown = seen.known.copy()  # what is not shown yet hides nothing
        shown[seen.known] = ~overshadowed(
            found[places[seen.known]], seen.evidence[seen.known], self.settings.duplicate_overlap
        )
        seen = self._numbered(seen, shown)
        unseen = tracks.known.copy()
        unseen[owners[owned]] = False
        self._tracks = tracks[unseen].absent().joined(seen)
        ids = np.zeros(len(detections), np.int64)
        ids[order[places[shown]]] = seen.ids[shown]
        return replace(detections[ids > 0], track_ids=ids[ids > 0])

    def _alive(self, time_s: float) -> Tracks:
        """The tracks at this time: those seen in the last frame, and those not lost for too long.

        Where a source shows a frame every few seconds, the last frame is still the one before this.
        """
        seconds = 0.0 if self._time_s is None else max(0.0, time_s - self._time_s)
        tracks = self._tracks.later(seconds)
        recent = tracks.unseen_s <= self.settings.keep_s
        tracks = tracks[recent if self._missing else recent | tracks.present]
        self._time_s, self._missing = time_s, False
        return tracks

    def _numbered(self, tracks: Tracks, which: Bools) -> Tracks:
        """The tracks, with the next numbers for those of these that have none."""
        without = which & (tracks.ids == 0)
        ids = tracks.ids.copy()
        ids[without] = self.given + 1 + np.arange(np.count_nonzero(without))
        self.given += int(np.count_nonzero(without))
        return replace(tracks, ids=ids)


def _best_first(detections: Detections) -> Ints:
    """The order by score, and by class and place where scores are the same: the same boxes, however they are listed."""
    left, top, right, bottom = detections.boxes_xyxy.T
    order: Ints = np.lexsort((bottom, right, top, left, detections.class_ids, -detections.scores))
    return order
