"""Calibration: whether scores are the probabilities that detections are right.

Source: Guo et al. 2017, expected calibration error; here of detections, which are right if they match ground truth of
their class at IoU 0.50.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from detcli.evaluation.analysis.best_thresholds import ScoreCurve

MIN_SCORE = 0.05  # results that keep every score have hundreds of detections below it in each image
_BINS = 20


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The detections of a range of scores.

    low, high   of the range; scores are above `low`
    detections  their number
    score       mean score; None without detections
    precision   share of them that match ground truth; None without detections
    """

    low: float
    high: float
    detections: int
    score: float | None
    precision: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scores and precision.

    error  the expected calibration error: the mean difference of score and precision over the detections, 0 to 1; None
           without detections, and for scores that are not from 0 to 1
    bias   the mean score minus the precision of all detections: positive where scores are too high; None as the error
    bins   of equal width from 0 to 1; empty ones for scores that are not from 0 to 1
    """

    error: float | None
    bias: float | None
    bins: tuple[CalibrationBin, ...]

    @property
    def detections(self) -> int:
        """Number of detections."""
        return sum(each.detections for each in self.bins)

    def to_dict(self) -> dict[str, Any]:
        """The calibration as JSON values."""
        return {
            "min_score": MIN_SCORE,
            "detections": self.detections,
            "expected_calibration_error": self.error,
            "bias": self.bias,
            "bins": [[each.low, each.high, each.detections, each.score, each.precision] for each in self.bins],
        }


def calibration(curve: ScoreCurve) -> Calibration:
    """The calibration of the detections with a score above MIN_SCORE."""
    kept = (curve.scores > MIN_SCORE) & curve.in_range
    scores, true = curve.scores[kept], curve.true[kept]
    edges = np.linspace(0, 1, _BINS + 1)
    index = np.clip(np.ceil(scores * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    counts = np.bincount(index, minlength=_BINS)
    score_sums, true_sums = (np.bincount(index, values, minlength=_BINS) for values in (scores, true))
    bins = tuple(
        CalibrationBin(
            round(float(low), 2),
            round(float(high), 2),
            int(count),
            float(score_sum / count) if count else None,
            float(true_sum / count) if count else None,
        )
        for low, high, count, score_sum, true_sum in zip(
            edges[:-1], edges[1:], counts, score_sums, true_sums, strict=True
        )
    )
    total = len(scores)
    if not total:
        return Calibration(None, None, bins)
    error = float(np.abs(score_sums - true_sums).sum() / total)
    return Calibration(error, float((score_sums.sum() - true_sums.sum()) / total), bins)
