"""Detections of one frame and the next, joined: the same object keeps its number for as long as it is seen.

ByteTrack's thought: boxes that the detector doubts are not thrown away, but may continue a track that no better box
continues; only boxes that it is sure of begin one. A track moves as its Kalman filter predicts, and its number is
given out at its second sighting (of the first frame: at once), so what flickers up once never has one.

Source: Zhang et al. 2022, ByteTrack. Of its own kind here: time in seconds instead of frames, classes that are never
mixed, tracks that begin at the very threshold instead of a tenth above it, and overlap alone as the measure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detcli.tracking.assignment import best_pairs
from detcli.tracking.overlap import pairwise_iou
from detcli.tracking.tracks import Bools, Floats, Ints, Tracks
from detcli.values.detections import Detections
from detcli.values.frame import Frame, Unreadable

LOW_THRESHOLD = 0.1


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How boxes are joined; overlaps are intersection over union, numbers are the paper's.

    high_threshold     scores from here on begin tracks, and continue them
    low_threshold      scores from here on continue tracks that would be lost otherwise; the rest is dropped
    first_overlap      a track and a sure box that overlap less are not the same object
    second_overlap     of a track and a doubtful box
    new_overlap        of a track that was seen once, and the sure box that would give it its number
    duplicate_overlap  a sure box that overlaps one of the same class which has a track by more begins none
    keep_s             seconds that a track which nobody sees is kept for
    """

    high_threshold: float = 0.6
    low_threshold: float = LOW_THRESHOLD
    first_overlap: float = 0.2
    second_overlap: float = 0.5
    new_overlap: float = 0.3
    duplicate_overlap: float = 0.85
    keep_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.low_threshold <= self.high_threshold <= 1:
            raise ValueError(f"thresholds {self.low_threshold} and {self.high_threshold} are not in order from 0 to 1")
        if not self.keep_s >= 0:
            raise ValueError(f"tracks cannot be kept for {self.keep_s} seconds")

    @classmethod
    def of_threshold(cls, threshold: float) -> "TrackerSettings":
        """For a user who wants boxes above a threshold; the detector has to give those above `low_threshold`."""
        return cls(threshold, min(LOW_THRESHOLD, threshold))


class Tracker:
    """Numbers the detections of one source, frame by frame; ids count from 1 and are never given twice."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks = Tracks.new(np.zeros((0, 4)), np.zeros(0, np.int64))
        self._given = 0  # the last id
        self._time_s: float | None = None
        self._missing = False  # frames, since the last one

    def follow(self, frame: Frame | Unreadable, detections: Detections | Unreadable) -> Detections | Unreadable:
        """What a run puts between detector and sinks: tracks a frame, and takes note of one that is missing."""
        if isinstance(frame, Unreadable) or isinstance(detections, Unreadable):
            self.gap()
            return detections
        return self.update(detections, frame.origin.time_s or 0.0)

    def gap(self) -> None:
        """Take note that frames are missing: tracks older than `keep_s` are not taken up after it."""
        self._missing = True

    def update(self, detections: Detections, time_s: float) -> Detections:
        """The detections that belong to a track, in their order, with `track_ids`.

        time_s  of the frame, later than the last one's; any step will do
        """
        first = self._time_s is None
        tracks = self._alive(time_s)
        order = _order(detections)
        boxes, classes = detections.boxes_xyxy[order], detections.class_ids[order]
        sure, doubtful = self._by_score(detections.scores[order])
        owners = self._owners(tracks, boxes, classes, sure, doubtful)
        born = sure & (owners < 0)
        born &= ~self._duplicates(boxes, classes, owners)
        continued = np.flatnonzero(owners >= 0)
        seen = self._numbered(tracks.seen(owners[continued], boxes[continued]))
        new = Tracks.new(boxes[born], classes[born])
        if first:
            new = self._numbered(new)
        unseen = np.ones(len(tracks), np.bool_)
        unseen[owners[continued]] = False
        lost = tracks[unseen & (tracks.ids > 0)].absent()
        self._tracks = lost.joined(seen).joined(new).in_order()
        ids = np.zeros(len(detections), np.int64)
        ids[order[continued]], ids[order[born]] = seen.ids, new.ids
        tracked = ids > 0
        return replace(detections[tracked], track_ids=ids[tracked])

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

    def _by_score(self, scores: npt.NDArray[np.float32]) -> tuple[Bools, Bools]:
        sure = scores >= np.float32(self.settings.high_threshold)
        return sure, (scores >= np.float32(self.settings.low_threshold)) & ~sure

    def _owners(self, tracks: Tracks, boxes: Floats, classes: Ints, sure: Bools, doubtful: Bools) -> Ints:
        """The row of the track that each box belongs to; -1: none."""
        overlaps = pairwise_iou(tracks.beliefs.boxes_xyxy, boxes)
        overlaps[tracks.class_ids[:, None] != classes] = 0.0
        known, settings = tracks.ids > 0, self.settings
        rounds: Sequence[tuple[Bools, Bools, float]] = (
            (known, sure, settings.first_overlap),
            (known & tracks.present, doubtful, settings.second_overlap),
            (~known, sure, settings.new_overlap),
        )
        owners = np.full(len(boxes), -1, np.int64)
        waiting = np.ones(len(tracks), np.bool_)
        for ours, theirs, least in rounds:
            rows, columns = np.flatnonzero(ours & waiting), np.flatnonzero(theirs & (owners < 0))
            paired_rows, paired_columns = best_pairs(overlaps[np.ix_(rows, columns)] - least)
            owners[columns[paired_columns]] = rows[paired_rows]
            waiting[rows[paired_rows]] = False
        return owners

    def _duplicates(self, boxes: Floats, classes: Ints, owners: Ints) -> Bools:
        """Which boxes lie almost exactly on one of their class that has a track, or is surer than they."""
        same = pairwise_iou(boxes, boxes) > self.settings.duplicate_overlap
        same &= classes[:, None] == classes
        surer = np.tri(len(boxes), k=-1, dtype=np.bool_)  # boxes stand in the order of their scores
        duplicates: Bools = np.any(same & (surer | (owners >= 0)), axis=1)
        return duplicates

    def _numbered(self, tracks: Tracks) -> Tracks:
        """The tracks, with the next numbers for those that have none."""
        ids, without = tracks.ids.copy(), tracks.ids == 0
        ids[without] = self._given + 1 + np.arange(np.count_nonzero(without))
        self._given += int(np.count_nonzero(without))
        return replace(tracks, ids=ids)


def _order(detections: Detections) -> Ints:
    """The best score first, and no two ways for the same boxes, however they are listed."""
    left, top, right, bottom = detections.boxes_xyxy.T
    order: Ints = np.lexsort((bottom, right, top, left, detections.class_ids, -detections.scores))
    return order
