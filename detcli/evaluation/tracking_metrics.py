"""Tracking metrics from their definitions: CLEAR MOT evaluates frame by frame, IDF1 complete tracks.

CLEAR MOT pairs ground truth with detections in every frame, but a pair of the frame before is kept for as long as its
boxes overlap enough; missed objects cost most. IDF1 pairs each object with one track for the complete sequence, so that
an id that changes halfway costs half of the object. Crowds (mostly hidden objects, or groups) are not
evaluated: the detection that fits a crowd best, of any class, is left out.

Source: Bernardin and Stiefelhagen 2008 (MOTA, MOTP, mismatches); Ristani et al. 2016 (IDF1).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.structures.detections import Detections
from detcli.structures.ground_truth import GroundTruth
from detcli.tracking.assignment import best_pairs
from detcli.tracking.box_iou import pairwise_iou

IOU = 0.5  # smallest intersection over union of a pair


@dataclass(frozen=True, slots=True)
class TrackingMetrics:
    """Counts of one sequence, or the sums of several.

    ground_truth  ground-truth boxes of all frames
    detections    detected boxes of all frames
    pairs         detections paired with an object, frame by frame
    switches      pairs whose object was last paired with another track
    overlaps      sum of the IoUs of the pairs
    id_pairs      detections of the object that their track is paired with for the complete sequence
    """

    ground_truth: int
    detections: int
    pairs: int
    switches: int
    overlaps: float
    id_pairs: int

    @property
    def misses(self) -> int:
        """Ground truth without a detection."""
        return self.ground_truth - self.pairs

    @property
    def false_positives(self) -> int:
        """Detections without ground truth."""
        return self.detections - self.pairs

    @property
    def mota(self) -> float:
        """1 minus mistakes per ground-truth box; negative with more mistakes than boxes. NaN without ground truth."""
        return 1 - _ratio(self.misses + self.false_positives + self.switches, self.ground_truth)

    @property
    def motp(self) -> float:
        """The mean IoU of pairs; NaN without pairs."""
        return _ratio(self.overlaps, self.pairs)

    @property
    def idf1(self) -> float:
        """Twice the id pairs per ground-truth and detected box; NaN without boxes."""
        return _ratio(2 * self.id_pairs, self.ground_truth + self.detections)

    @property
    def id_precision(self) -> float:
        """The share of detections with the id of their object."""
        return _ratio(self.id_pairs, self.detections)

    @property
    def id_recall(self) -> float:
        """The share of ground-truth boxes with the id of their track."""
        return _ratio(self.id_pairs, self.ground_truth)

    @classmethod
    def of_all(cls, sequences: Iterable["TrackingMetrics"]) -> "TrackingMetrics":
        """The sums over sequences."""
        metrics = list(sequences)
        return cls(
            sum(each.ground_truth for each in metrics),
            sum(each.detections for each in metrics),
            sum(each.pairs for each in metrics),
            sum(each.switches for each in metrics),
            sum(each.overlaps for each in metrics),
            sum(each.id_pairs for each in metrics),
        )


def evaluate_tracks(frames: Iterable[tuple[GroundTruth, Detections]], *, iou: float = IOU) -> TrackingMetrics:
    """Evaluate one sequence, frame by frame in its order.

    iou  smallest intersection over union of an object and a detection of the same class that may be paired

    Raises ValueError if ground truth or detections have no track ids, or a frame has one twice.
    """
    expected_count = detection_count = pair_count = switches = 0
    overlap_sum = 0.0
    last_tracks: dict[int, int] = {}  # object -> track of its last pair
    previous_pairs: set[tuple[int, int]] = set()  # of the last frame
    common_frames: dict[tuple[int, int], int] = {}  # object, track -> frames in which they overlap enough
    for frame in frames:
        ground_truth, detections = _without_crowds(*frame, iou)
        objects, tracks = _ids(ground_truth.track_ids), _ids(detections.track_ids)
        overlap = _overlaps(ground_truth, detections, iou)
        for row, column in np.argwhere(overlap > 0).tolist():
            pair = (objects[row], tracks[column])
            common_frames[pair] = common_frames.get(pair, 0) + 1
        rows, columns = _pairs(overlap, objects, tracks, previous_pairs)
        previous_pairs = {(objects[row], tracks[column]) for row, column in zip(rows, columns, strict=True)}
        switches += sum(last_tracks.get(object_id, track) != track for object_id, track in previous_pairs)
        last_tracks.update(previous_pairs)
        expected_count += len(objects)
        detection_count += len(tracks)
        pair_count += len(rows)
        overlap_sum += float(overlap[rows, columns].sum())
    return TrackingMetrics(expected_count, detection_count, pair_count, switches, overlap_sum, _id_pairs(common_frames))


def _without_crowds(
    ground_truth: GroundTruth, detections: Detections, min_iou: float
) -> tuple[GroundTruth, Detections]:
    """Ground truth without crowds, and detections without those that fit a crowd better than an object."""
    crowd = ground_truth.crowd
    if not crowd.any():
        return ground_truth, detections
    overlap = _overlaps(ground_truth[~crowd], detections, min_iou)
    free = np.ones(len(detections), np.bool_)
    free[best_pairs(overlap)[1]] = False
    crowd_overlap = pairwise_iou(ground_truth.boxes_xyxy[crowd], detections.boxes_xyxy)
    _, in_crowd = best_pairs(np.where((crowd_overlap >= min_iou) & free, crowd_overlap, 0.0))
    kept = np.ones(len(detections), np.bool_)
    kept[in_crowd] = False
    return ground_truth[~crowd], detections[kept]


def _overlaps(ground_truth: GroundTruth, detections: Detections, min_iou: float) -> npt.NDArray[np.float64]:
    """IoUs [N, M]; 0 if they are too small or the classes differ."""
    overlap = pairwise_iou(ground_truth.boxes_xyxy, detections.boxes_xyxy)
    overlap[(overlap < min_iou) | (ground_truth.class_ids[:, None] != detections.class_ids)] = 0.0
    return overlap


def _pairs(
    overlap: npt.NDArray[np.float64], objects: list[int], tracks: list[int], previous_pairs: set[tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """Rows and columns of the pairs: those of the previous frame first, then the largest sum of overlaps."""
    gains = overlap.copy()
    column_of = {track: column for column, track in enumerate(tracks)}
    track_of = dict(previous_pairs)
    for row, object_id in enumerate(objects):
        column = column_of.get(track_of.get(object_id, -1))
        if column is not None and overlap[row, column] > 0:
            gains[row], gains[:, column] = 0.0, 0.0
            gains[row, column] = overlap[row, column]
    rows, columns = best_pairs(gains)
    return rows.tolist(), columns.tolist()


def _id_pairs(common_frames: dict[tuple[int, int], int]) -> int:
    """The largest number of common frames if each object keeps one track, and each track one object."""
    objects = sorted({object_id for object_id, _ in common_frames})
    tracks = sorted({track for _, track in common_frames})
    counts = np.zeros((len(objects), len(tracks)))
    for (object_id, track), count in common_frames.items():
        counts[objects.index(object_id), tracks.index(track)] = count
    return round(float(counts[best_pairs(counts)].sum()))


def _ids(track_ids: npt.NDArray[np.int64] | None) -> list[int]:
    if track_ids is None:
        raise ValueError("tracks cannot be evaluated without track ids")
    ids: list[int] = track_ids.tolist()
    if len(set(ids)) < len(ids):
        raise ValueError(f"a frame has the same track id twice: {sorted(ids)}")
    return ids


def _ratio(part: float, total: float) -> float:
    return part / total if total else float("nan")
