"""Assigns the detections of a frame to tracks, and finds duplicate detections."""

from collections.abc import Sequence

import numpy as np

from detcli.structures.detections import Detections
from detcli.tracking.assignment import best_pairs
from detcli.tracking.box_iou import pairwise_iou
from detcli.tracking.tracker_settings import TrackerSettings
from detcli.tracking.tracks import Bools, Floats, Ints, Tracks


def assign_tracks(detections: Detections, tracks: Tracks, settings: TrackerSettings) -> Ints:
    """The row of each detection's track, -1 for none.

    There are three rounds, each with the tracks and detections that are left: confirmed tracks with high scores, confirmed
    tracks visible in the last frame with low scores, and tracks detected only once with high scores. The pairs of a round
    have the maximum sum of overlaps.

    Boxes are enlarged by one standard deviation of the predicted position before overlaps are computed: a few pixels for a
    track that was just detected, more for an unknown speed at a low frame rate, or a track lost for some time. The limit
    is `max_margin` sides: otherwise, with one frame in ten seconds, boxes at both ends of the image would overlap.
    """
    high = detections.scores >= settings.high_thresholds(detections.class_ids)
    low = (detections.scores >= settings.low_thresholds(detections.class_ids)) & ~high
    states = tracks.states
    margins = np.minimum(np.sqrt(states.uncertainty[:, 0, 0]), settings.max_margin * states.scale)
    overlaps = pairwise_iou(states.boxes_xyxy, detections.boxes_xyxy, margins)
    overlaps[tracks.class_ids[:, None] != detections.class_ids] = 0.0
    rounds: Sequence[tuple[Bools, Bools, float]] = (
        (tracks.confirmed, high, settings.first_overlap),
        (tracks.confirmed & tracks.visible, low, settings.second_overlap),
        (~tracks.confirmed, high, settings.new_overlap),
    )
    rows_of = np.full(len(detections), -1, np.int64)
    unassigned = np.ones(len(tracks), np.bool_)
    for track_mask, detection_mask, min_overlap in rounds:
        rows, columns = np.flatnonzero(track_mask & unassigned), np.flatnonzero(detection_mask & (rows_of < 0))
        paired_rows, paired_columns = best_pairs(overlaps[np.ix_(rows, columns)] - min_overlap)
        rows_of[columns[paired_columns]] = rows[paired_rows]
        unassigned[rows[paired_rows]] = False
    return rows_of


def duplicates(detections: Detections, has_track: Bools, overlap: float) -> Bools:
    """Which detections, sorted by confidence, are duplicates of a better one, or one with a track, of the same class."""
    same = pairwise_iou(detections.boxes_xyxy, detections.boxes_xyxy) > overlap
    same &= detections.class_ids[:, None] == detections.class_ids
    better = np.tri(len(detections), k=-1, dtype=np.bool_)
    is_duplicate: Bools = np.any(same & (better | has_track), axis=1)
    return is_duplicate


def hidden_by_other_tracks(detections: Detections, evidence: Floats, overlap: float) -> Bools:
    """Which detections are duplicates of one whose track has more evidence, of any class.

    Detectors that score each class independently may return one object with two classes, and those without NMS may return
    it twice with one class.
    """
    same = pairwise_iou(detections.boxes_xyxy, detections.boxes_xyxy) > overlap
    np.fill_diagonal(same, val=False)
    hidden = np.zeros(len(detections), np.bool_)
    for index in np.argsort(-evidence, kind="stable").tolist() if same.any() else ():
        if not hidden[index]:
            hidden |= same[index]
    return hidden
