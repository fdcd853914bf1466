"""Precision, recall and F1 at each score threshold, as means over the classes at IoU 0.50."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.evaluation.coco_metrics import RECALLS, ClassMetrics

Array = npt.NDArray[np.float64]

THRESHOLDS: Array = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """What a user of one threshold gets: values at each of THRESHOLDS.

    precision  [C, 101] by class; NaN where no detection has a higher score
    recall     [C, 101], to 0.01
    """

    precision: Array
    recall: Array

    @property
    def f1(self) -> Array:
        """The harmonic mean of precision and recall, [C, 101]."""
        precision = np.nan_to_num(self.precision)
        total = precision + self.recall
        f1: Array = np.divide(2 * precision * self.recall, total, out=np.zeros_like(total), where=total > 0)
        return f1

    @property
    def mean_precision(self) -> Array:
        """The mean of the classes that have detections, [101]; NaN if none has any."""
        known = ~np.isnan(self.precision)
        count = known.sum(axis=0)
        total = np.nan_to_num(self.precision).sum(axis=0)
        mean: Array = np.divide(total, count, out=np.full(len(THRESHOLDS), np.nan), where=count > 0)
        return mean

    @property
    def mean_recall(self) -> Array:
        """The mean of the classes, [101]."""
        mean: Array = self.recall.mean(axis=0)
        return mean

    @property
    def mean_f1(self) -> Array:
        """The mean of the classes, [101]."""
        mean: Array = self.f1.mean(axis=0)
        return mean

    @property
    def best(self) -> int:
        """The index of the threshold with the highest mean F1; of equals the highest one, which keeps the fewest boxes."""
        mean = self.mean_f1
        return len(mean) - 1 - int(mean[::-1].argmax())


def operating_points(classes: Sequence[ClassMetrics]) -> OperatingPoints:
    """The operating points of classes with ground truth; at least one.

    The curves of COCO have a precision and a score for each recall of 0.00, 0.01, …: with a threshold below that score,
    this recall is reached.
    """
    precision = np.full((len(classes), len(THRESHOLDS)), np.nan)
    recall = np.zeros((len(classes), len(THRESHOLDS)))
    for row, each in enumerate(classes):
        passed = (each.precision[0] > 0) & (each.scores > THRESHOLDS[:, None])  # threshold by recall
        last = len(RECALLS) - 1 - passed[:, ::-1].argmax(axis=1)
        columns = passed.any(axis=1)
        precision[row, columns], recall[row, columns] = each.precision[0, last[columns]], RECALLS[last[columns]]
    return OperatingPoints(precision, recall)
