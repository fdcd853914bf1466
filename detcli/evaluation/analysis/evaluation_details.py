"""Everything that a report has besides COCO's metrics and the confusion matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from detcli.evaluation.analysis.best_thresholds import ScoreThresholds, score_thresholds
from detcli.evaluation.analysis.bootstrap import BootstrapIntervals, bootstrap_intervals
from detcli.evaluation.analysis.calibration import Calibration, calibration
from detcli.evaluation.analysis.class_matches import match_classes
from detcli.evaluation.analysis.detection_errors import DetectionErrors, detection_errors
from detcli.evaluation.analysis.size_metrics import SizeGroup, image_sizes, object_sizes
from detcli.evaluation.coco_metrics import Metrics

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EvaluationDetails:
    """What AP alone does not tell.

    thresholds    the score thresholds with the highest F1
    calibration   whether scores are probabilities
    intervals     confidence intervals of AP; None: not computed
    errors        types of errors
    object_sizes, image_sizes  metrics by size
    """

    thresholds: ScoreThresholds
    calibration: Calibration
    intervals: BootstrapIntervals | None
    errors: DetectionErrors
    object_sizes: tuple[SizeGroup, ...]
    image_sizes: tuple[SizeGroup, ...]

    def to_dict(self) -> dict[str, Any]:
        """The sections of a report as JSON values."""
        return {
            "intervals": None if self.intervals is None else self.intervals.to_dict(),
            "thresholds": self.thresholds.to_dict(),
            "calibration": self.calibration.to_dict(),
            "errors": self.errors.to_dict(),
            "object_sizes": [group.to_dict() for group in self.object_sizes],
            "image_sizes": [group.to_dict() for group in self.image_sizes],
        }

    def of_class(self, category_id: int) -> dict[str, Any]:
        """What the row of a class has: the interval of its AP, and its best threshold."""
        interval = None if self.intervals is None else self.intervals.classes.get(category_id)
        best = self.thresholds.classes.get(category_id)
        return {
            "AP_interval": None if interval is None else interval.to_json(),
            "best": None if best is None else best.to_dict(),
        }


def evaluation_details(
    annotations: Json,
    results: Sequence[Json],
    metrics: Metrics,
    *,
    score: float,
    samples: int,
    class_scores: Mapping[int, float] = MappingProxyType({}),
) -> EvaluationDetails:
    """The details of results, as `evaluate_coco` took them.

    metrics       of these results
    score         the score threshold in use
    samples       of the bootstrap; 0: no intervals
    class_scores  thresholds of category ids that have another one
    """
    matches = match_classes(annotations, results, iou_type=metrics.iou_type)
    thresholds = score_thresholds(matches, score=score)
    return EvaluationDetails(
        thresholds,
        calibration(thresholds.curve),
        bootstrap_intervals(matches, samples) if samples else None,
        detection_errors(annotations, results, score=score, class_scores=class_scores, iou_type=metrics.iou_type),
        object_sizes(annotations, metrics),
        image_sizes(annotations, matches),
    )
