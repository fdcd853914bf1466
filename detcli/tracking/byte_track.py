"""ByteTrack: joins the detections of successive frames, so that an object keeps its id.

Boxes with low scores may continue a track that no better box continues; only boxes with high scores start a track. A track
moves as its Kalman filter predicts. It gets its id with its second detection (in the first frame at once), so that a single
false detection never has an id.

Source: Zhang et al. 2022, ByteTrack, and its authors' code. Different here: time is in seconds, not in frames; classes are
never mixed; overlaps include the uncertainty of the filter (at 5 and 10 frames per second IDF1 of the hard moving shapes
rose by 0.17 and 0.06); of overlapping tracks, of one class or two, only the one with the most evidence is returned, and the
others are kept, because they may be separate objects again later.
"""

from dataclasses import replace

import numpy as np

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.tracking.association import assign_tracks, duplicates, hidden_by_other_tracks
from detcli.tracking.tracker_settings import LOW_THRESHOLD, TrackerSettings
from detcli.tracking.tracks import Bools, Ints, Tracks

__all__ = ["LOW_THRESHOLD", "Tracker", "TrackerSettings"]


class Tracker:
    """Assigns track ids to the detections of one source, frame by frame; ids count from 1 and are never reused.

    track_count  number of ids so far; also the last id
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks = Tracks.new(Detections.empty())
        self.track_count = 0
        self._time_s: float | None = None
        self._missing = False  # frames are missing since the last one

    def track(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> Detections | FailedFrame:
        """Update the tracks with a result of a run: a frame, or a failed one, which is a gap."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            self.gap()
            return detections
        return self.update(detections, frame.origin.time_s or 0.0)

    def gap(self) -> None:
        """Note that frames are missing: tracks lost for more than `max_lost_s` are not continued after it."""
        self._missing = True

    def update(self, detections: Detections, time_s: float) -> Detections:
        """The detections that belong to a track, in their order, with `track_ids`.

        time_s  time of the frame, later than the last one; steps may vary

        Raises ValueError where a box is not finite.
        """
        if not np.isfinite(detections.boxes_xyxy).all():
            raise ValueError("a box to track is not finite")
        first = self._time_s is None
        tracks = self._tracks_at(time_s)
        order = _best_first(detections)
        ordered = detections[order]
        rows = assign_tracks(ordered, tracks, self.settings)
        has_track = rows >= 0
        is_new = ~has_track & (ordered.scores >= self.settings.new_track_thresholds(ordered.class_ids))
        is_new &= ~duplicates(ordered, has_track, self.settings.duplicate_overlap)
        detected = tracks[rows[has_track]].updated(ordered[has_track])
        detected = detected.concatenated(Tracks.new(ordered[is_new], confirmed=first))
        indices = np.concatenate((np.flatnonzero(has_track), np.flatnonzero(is_new)))  # in `ordered`, of `detected`
        returned = detected.confirmed.copy()  # tracks that are not returned yet hide nothing
        returned[detected.confirmed] = ~hidden_by_other_tracks(
            ordered[indices[detected.confirmed]], detected.evidence[detected.confirmed], self.settings.duplicate_overlap
        )
        detected = self._with_ids(detected, returned)
        lost = tracks.confirmed.copy()
        lost[rows[has_track]] = False
        self._tracks = tracks[lost].not_visible().concatenated(detected)
        ids = np.zeros(len(detections), np.int64)
        ids[order[indices[returned]]] = detected.ids[returned]
        return replace(detections[ids > 0], track_ids=ids[ids > 0])

    def _tracks_at(self, time_s: float) -> Tracks:
        """The predicted tracks at this time: those of the last frame, and those not lost for too long.

        Tracks of the last frame are kept however long ago it was.
        """
        seconds = 0.0 if self._time_s is None else max(0.0, time_s - self._time_s)
        tracks = self._tracks.predicted(seconds)
        recent = tracks.lost_s <= self.settings.max_lost_s
        tracks = tracks[recent if self._missing else recent | tracks.visible]
        self._time_s, self._missing = time_s, False
        return tracks

    def _with_ids(self, tracks: Tracks, which: Bools) -> Tracks:
        """The tracks, with the next ids for the selected ones without an id."""
        without_id = which & (tracks.ids == 0)
        ids = tracks.ids.copy()
        ids[without_id] = self.track_count + 1 + np.arange(np.count_nonzero(without_id))
        self.track_count += int(np.count_nonzero(without_id))
        return replace(tracks, ids=ids)


def _best_first(detections: Detections) -> Ints:
    """Indices by descending score, then by class and position: independent of the order of the detections."""
    left, top, right, bottom = detections.boxes_xyxy.T
    order: Ints = np.lexsort((bottom, right, top, left, detections.class_ids, -detections.scores))
    return order
