"""How good tracks are, from the definitions: CLEAR MOT evaluates frame by frame, IDF1 whole tracks.

CLEAR MOT pairs ground truth with detections again in every frame, but a pair of the frame before stays one for as long as its
boxes overlap enough; what it punishes most is what is missed. IDF1 pairs each true object with one track for the whole
sequence, so that a number which changes half way costs half of the object. A ground truth that is a crowd - too little of an
object to be evaluated, or too many of them - is neither: the detection that fits it best, of whatever class, is left out.

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

IOU = 0.5  # intersection over union from which on a detection is of an object


@dataclass(frozen=True, slots=True)
class TrackingMetrics:
    """What was counted; figures of several sequences are those of their sums.

    ground_truth      true boxes of all frames
    detections  detected boxes of all frames
    pairs       detections that were of an object, frame by frame
    switches    pairs whose object was last paired with another track
    overlaps    sum of the pairs' overlaps
    id_pairs    detections that were of the object to which their track belongs for the whole sequence
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
        """Detections without a ground truth."""
        return self.detections - self.pairs

    @property
    def mota(self) -> float:
        """1 less what went wrong, in true boxes; below 0 where more is wrong than true. NaN without a ground truth."""
        return 1 - _share(self.misses + self.false_positives + self.switches, self.ground_truth)

    @property
    def motp(self) -> float:
        """The mean overlap of pairs; NaN without one."""
        return _share(self.overlaps, self.pairs)

    @property
    def idf1(self) -> float:
        """Twice the id pairs, in true and detected boxes; NaN where there is neither."""
        return _share(2 * self.id_pairs, self.ground_truth + self.detections)

    @property
    def id_precision(self) -> float:
        """The share of detections that bear their object's number."""
        return _share(self.id_pairs, self.detections)

    @property
    def id_recall(self) -> float:
        """The share of true boxes that bear their track's number."""
        return _share(self.id_pairs, self.ground_truth)

    @classmethod
    def of_all(cls, sequences: Iterable["TrackingMetrics"]) -> "TrackingMetrics":
        """The sums over sequences."""
        listed = list(sequences)
        return cls(
            sum(one.ground_truth for one in listed),
            sum(one.detections for one in listed),
            sum(one.pairs for one in listed),
            sum(one.switches for one in listed),
            sum(one.overlaps for one in listed),
            sum(one.id_pairs for one in listed),
        )


def evaluate_tracks(frames: Iterable[tuple[GroundTruth, Detections]], *, iou: float = IOU) -> TrackingMetrics:
    """Evaluate one sequence, frame by frame in its order.

    iou  from which on a detection of the same class may be of an object

    Raises ValueError where ground truth or detections have no track ids, or a frame has one twice.
    """
    ground_truth = detections = pairs = switches = 0
    overlaps = 0.0
    last: dict[int, int] = {}  # object -> track of its last pair
    before: set[tuple[int, int]] = set()  # pairs of the last frame
    together: dict[tuple[int, int], int] = {}  # object, track -> frames in which they overlap enough
    for frame in frames:
        true, detected = _judged(*frame, iou)
        objects, tracks = _ids(true.track_ids), _ids(detected.track_ids)
        overlap = _overlaps(true, detected, iou)
        for row, column in np.argwhere(overlap > 0).tolist():
            both = (objects[row], tracks[column])
            together[both] = together.get(both, 0) + 1
        rows, columns = _pairs(overlap, objects, tracks, before)
        before = {(objects[row], tracks[column]) for row, column in zip(rows, columns, strict=True)}
        switches += sum(last.get(one, track) != track for one, track in before)
        last.update(before)
        ground_truth, detections, pairs = ground_truth + len(objects), detections + len(tracks), pairs + len(rows)
        overlaps += float(overlap[rows, columns].sum())
    return TrackingMetrics(ground_truth, detections, pairs, switches, overlaps, _id_pairs(together))


def _judged(true: GroundTruth, detected: Detections, least: float) -> tuple[GroundTruth, Detections]:
    """Ground truth that are no crowd, and detections that do not fit a crowd better than what is evaluated."""
    if not true.crowd.any():
        return true, detected
    judged = _overlaps(true[~true.crowd], detected, least)
    free = np.ones(len(detected), np.bool_)
    free[best_pairs(judged)[1]] = False
    crowd = pairwise_iou(true.boxes_xyxy[true.crowd], detected.boxes_xyxy)
    _, fitting = best_pairs(np.where((crowd >= least) & free, crowd, 0.0))
    keep = np.ones(len(detected), np.bool_)
    keep[fitting] = False
    return true[~true.crowd], detected[keep]


def _overlaps(true: GroundTruth, detected: Detections, least: float) -> npt.NDArray[np.float64]:
    """Overlaps [N, M], 0 where they are too little or the classes are two."""
    overlap = pairwise_iou(true.boxes_xyxy, detected.boxes_xyxy)
    overlap[(overlap < least) | (true.class_ids[:, None] != detected.class_ids)] = 0.0
    return overlap


def _pairs(
    overlap: npt.NDArray[np.float64], objects: list[int], tracks: list[int], before: set[tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """Rows and columns that belong together: pairs of the frame before first, then so that overlaps are most."""
    gains = overlap.copy()
    place_of = {track: column for column, track in enumerate(tracks)}
    track_of = dict(before)
    for row, one in enumerate(objects):
        column = place_of.get(track_of.get(one, -1))
        if column is not None and overlap[row, column] > 0:
            gains[row], gains[:, column] = 0.0, 0.0
            gains[row, column] = overlap[row, column]
    rows, columns = best_pairs(gains)
    return rows.tolist(), columns.tolist()


def _id_pairs(together: dict[tuple[int, int], int]) -> int:
    """Most frames in which objects and tracks are together, where each has one of the other for good."""
    objects = sorted({one for one, _ in together})
    tracks = sorted({track for _, track in together})
    frames = np.zeros((len(objects), len(tracks)))
    for (one, track), count in together.items():
        frames[objects.index(one), tracks.index(track)] = count
    return round(float(frames[best_pairs(frames)].sum()))


def _ids(track_ids: npt.NDArray[np.int64] | None) -> list[int]:
    if track_ids is None:
        raise ValueError("without track ids there are no tracks to evaluate")
    ids: list[int] = track_ids.tolist()
    if len(set(ids)) < len(ids):
        raise ValueError(f"a frame has the same track id twice: {sorted(ids)}")
    return ids


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
