"""Precision and recall of each class at each score threshold, at IoU 0.50."""

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
