"""By how much AP50 grows without the errors of each type, and how many errors are shown to a user.

Correcting localization and classification makes the detection with the highest score a true positive and removes the others
of the same ground truth; correcting the other types removes the detections, or the missed ground truth.

Source: Bolya et al. 2020, TIDE.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.analysis.error_types import (
    BACKGROUND_IOU,
    ERROR_TYPES,
    IOU,
    REMOVED,
    TRUE_POSITIVE,
    ClassifiedDetections,
    Json,
    classify_detections,
)
from detcli.evaluation.box_matching import entries_above
from detcli.evaluation.coco_library import IouType
from detcli.evaluation.coco_metrics import RECALLS

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DetectionErrors:
    """The errors of an evaluation.

    ap50       with MAX_DETECTIONS detections in an image
    gains      by how much AP50 grows without the errors of a type, by type
    without_false_positives, without_false_negatives  the same without all errors of a kind
    counts     errors of each type among the detections above the score in use, without those in a crowd
    truth      number of ground-truth objects
    misses     those of them without a detection above the score in use, by cause: classification, localization, missed
    """

    ap50: float
    gains: Mapping[str, float]
    without_false_positives: float
    without_false_negatives: float
    counts: Mapping[str, int]
    truth: int
    misses: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The errors as JSON values."""
        return {
            "iou": IOU,
            "background_iou": BACKGROUND_IOU,
            "AP50": self.ap50,
            "dAP": dict(self.gains),
            "dAP_false_positives": self.without_false_positives,
            "dAP_false_negatives": self.without_false_negatives,
            "counts": dict(self.counts),
            "ground_truth": self.truth,
            "misses": dict(self.misses),
        }


def detection_errors(
    annotations: Json,
    results: Sequence[Json],
    *,
    score: float,
    class_scores: Mapping[int, float] = MappingProxyType({}),
    iou_type: IouType = "bbox",
) -> DetectionErrors:
    """The errors of results, as `evaluate_coco` takes both.

    score         detections above it are counted by type; the gains of AP are of all
    class_scores  of category ids that have another one
    """
    every = classify_detections(annotations, results, iou_type=iou_type)
    above = entries_above(results, score, class_scores)
    shown = classify_detections(annotations, above, iou_type=iou_type).without_crowds()
    base = _ap_without(every, None)
    true = every.kind == TRUE_POSITIVE
    counts_for_ap = ~every.ignored
    perfect = mean_ap(every.category[counts_for_ap], true[counts_for_ap], true[counts_for_ap], every.truth, every.truth)
    matched = every.truth - every.misses.sum(axis=1)
    complete = mean_ap(
        every.category[counts_for_ap], every.scores[counts_for_ap], true[counts_for_ap], matched, every.truth
    )
    causes = shown.misses.sum(axis=0).tolist()
    return DetectionErrors(
        base,
        {name: max(_ap_without(every, kind) - base, 0.0) for kind, name in enumerate(ERROR_TYPES)},
        perfect - base,
        complete - base,
        {name: shown.count(name) for name in ERROR_TYPES},
        int(every.truth.sum()),
        dict(zip(("classification", "localization", "missed"), causes, strict=True)),
    )


def _ap_without(found: ClassifiedDetections, kind: int | None) -> float:
    """AP50 without the errors of a type; None: of the detections as they are."""
    is_error = found.kind == (-2 if kind is None else kind)
    kept = np.where(is_error, found.corrected != REMOVED, ~found.ignored)
    category = np.where(is_error, found.corrected, found.category)[kept]
    true = ((found.kind == TRUE_POSITIVE) | is_error)[kept]
    truth = found.truth - (found.misses[:, 2] if kind == ERROR_TYPES.index("missed") else 0)
    return mean_ap(category, found.scores[kept], true, truth, found.truth)


def mean_ap(category: Ints, scores: npt.NDArray[Any], true: Mask, truth: Ints, original: Ints) -> float:
    """The mean AP at one IoU over the classes with ground truth; 0 without any.

    truth     int64 [C] number of objects of each class
    original  the same before any was removed; a class whose objects are all removed has an AP of 0, and if it has no
              detections either, it is left out
    """
    order = np.lexsort((-scores.astype(np.float64), category))
    starts = np.searchsorted(category[order], np.arange(len(truth) + 1))
    values = []
    for index in np.flatnonzero(original > 0).tolist():
        rows = order[starts[index] : starts[index + 1]]
        if truth[index] or len(rows):
            values.append(_class_ap(true[rows], int(truth[index])))
    return float(np.mean(values)) if values else 0.0


def _class_ap(true: Mask, truth: int) -> float:
    """AP of detections [N], sorted by score."""
    positions = np.flatnonzero(true)
    if not truth or not positions.size:
        return 0.0
    number = np.arange(1, len(positions) + 1)
    precision = np.maximum.accumulate((number / (positions + 1))[::-1])[::-1]
    reached = np.searchsorted(RECALLS, number / truth, side="right")
    return float((precision * np.diff(reached, prepend=0)).sum() / len(RECALLS))
