"""Which detection of a frame belongs to which track, and which ones say the same thing twice."""

from collections.abc import Sequence

import numpy as np

from detcli.structures.detections import Detections
from detcli.tracking.assignment import best_pairs
from detcli.tracking.box_iou import pairwise_iou
from detcli.tracking.tracker_settings import TrackerSettings
from detcli.tracking.tracks import Bools, Floats, Ints, Tracks


def owners_of(found: Detections, tracks: Tracks, settings: TrackerSettings) -> Ints:
    """The row of the track that each detection belongs to, -1 for none.

    Three rounds, each with what the ones before left: known tracks with sure boxes, those among them that the last frame
    showed with doubtful ones, and tracks that were seen only once with sure ones. Each round's pairs have the most
    overlap in all.

    Overlaps are of boxes grown by one standard deviation of where the track is believed to be: a few pixels for one that
    was just seen, much for one of unknown speed at a low rate, or one that was lost a while ago; never by more than
    `farthest` sides, or in a frame every ten seconds one end of the image would overlap the other.
    """
    sure = found.scores >= np.float32(settings.high_threshold)
    doubtful = (found.scores >= np.float32(settings.low_threshold)) & ~sure
    beliefs = tracks.beliefs
    margins = np.minimum(np.sqrt(beliefs.uncertainty[:, 0, 0]), settings.farthest * beliefs.scale)
    overlaps = pairwise_iou(beliefs.boxes_xyxy, found.boxes_xyxy, margins)
    overlaps[tracks.class_ids[:, None] != found.class_ids] = 0.0
    rounds: Sequence[tuple[Bools, Bools, float]] = (
        (tracks.known, sure, settings.first_overlap),
        (tracks.known & tracks.present, doubtful, settings.second_overlap),
        (~tracks.known, sure, settings.new_overlap),
    )
    owners = np.full(len(found), -1, np.int64)
    waiting = np.ones(len(tracks), np.bool_)
    for ours, theirs, least in rounds:
        rows, columns = np.flatnonzero(ours & waiting), np.flatnonzero(theirs & (owners < 0))
        paired_rows, paired_columns = best_pairs(overlaps[np.ix_(rows, columns)] - least)
        owners[columns[paired_columns]] = rows[paired_rows]
        waiting[rows[paired_rows]] = False
    return owners


def duplicates(found: Detections, owned: Bools, overlap: float) -> Bools:
    """Which detections, the best first, lie almost exactly on one of their class that is owned, or better than they."""
    same = pairwise_iou(found.boxes_xyxy, found.boxes_xyxy) > overlap
    same &= found.class_ids[:, None] == found.class_ids
    better = np.tri(len(found), k=-1, dtype=np.bool_)
    found_twice: Bools = np.any(same & (better | owned), axis=1)
    return found_twice


def overshadowed(found: Detections, evidence: Floats, overlap: float) -> Bools:
    """Which detections lie almost exactly on one whose track has more evidence, of whatever class.

    Detectors that evaluate each class by itself see one object under two names when they are in doubt, and those without
    suppression now and then see it twice under one.
    """
    same = pairwise_iou(found.boxes_xyxy, found.boxes_xyxy) > overlap
    np.fill_diagonal(same, val=False)
    hidden = np.zeros(len(found), np.bool_)
    for place in np.argsort(-evidence, kind="stable").tolist() if same.any() else ():
        if not hidden[place]:
            hidden |= same[place]
    return hidden
