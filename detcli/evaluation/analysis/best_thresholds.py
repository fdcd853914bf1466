"""Precision, recall and F1 of the detections above a score, and the score threshold with the highest F1.

At IoU 0.50, as COCO matches detections with ground truth of their class: matches go by score, so that those above a
threshold are the same with and without the detections below it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.analysis.class_matches import ClassMatches

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MARGIN = 1e-3  # of the lowest score, by which a threshold that keeps all detections is below it
_DECIMALS = range(2, 7)  # that a threshold is rounded to, the fewest that keep the same detections


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What detections with a score above a threshold give.

    precision  share of the detections that match ground truth; None without detections
    recall     share of the ground truth that is matched
    f1         harmonic mean of both; 0 without a match
    """

    threshold: float
    precision: float | None
    recall: float
    f1: float

    def to_dict(self) -> dict[str, float | None]:
        """The point as JSON values."""
        return {"threshold": self.threshold, "precision": self.precision, "recall": self.recall, "F1": self.f1}


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """The detections of one class or of all, by score.

    scores  float64 [N], descending; without detections in crowds
    true    bool [N]: the detection matches ground truth
    truth   number of ground-truth objects
    """

    scores: Array
    true: Mask
    truth: int

    @classmethod
    def of(cls, matches: ClassMatches, rows: slice | None = None, truth: int | None = None) -> "ScoreCurve":
        """The curve of the rows of a class with its number of objects; without them of all classes together."""
        rows = slice(0, len(matches.scores)) if rows is None else rows
        counted = ~matches.ignored[rows, 0]
        scores, true = matches.scores[rows][counted], matches.matched[rows, 0][counted]
        order = np.argsort(-scores, kind="stable")
        return cls(scores[order], true[order], len(matches.truth_image) if truth is None else truth)

    def at(self, threshold: float) -> OperatingPoint:
        """The point of a threshold."""
        kept = int(np.searchsorted(-self.scores, -threshold, side="left"))
        return self._point(threshold, int(self.true[:kept].sum()), kept)

    @property
    def in_range(self) -> bool:
        """Whether all scores are from 0 to 1, as a threshold is; those of other programs may be percentages or logits."""
        return not len(self.scores) or bool(self.scores[0] <= 1 and self.scores[-1] >= 0)

    def best(self) -> OperatingPoint | None:
        """The point with the highest F1, of equals that of the highest threshold; None without any match.

        Where all detections give the highest F1, it is just below the lowest score: what lower ones would give is unknown.
        """
        if not self.truth or not self.true.any() or not self.in_range:
            return None
        ends = np.flatnonzero(np.r_[np.diff(self.scores) != 0, True])  # last of each score
        ends = ends[self.scores[ends] > 0]  # a threshold of 0 leaves out scores of 0
        true, kept = self.true.cumsum()[ends], ends + 1
        if not true.any():
            return None
        best = int((2 * true / (kept + self.truth)).argmax())
        lowest = float(self.scores[ends[best]])
        below = float(self.scores[ends[best] + 1]) if best + 1 < len(ends) else lowest * (1 - _MARGIN)
        threshold = _between(below, lowest)
        return self._point(threshold, int(true[best]), int(kept[best]))

    def _point(self, threshold: float, true: int, kept: int) -> OperatingPoint:
        total = kept + self.truth
        return OperatingPoint(
            threshold,
            true / kept if kept else None,
            true / self.truth if self.truth else 0.0,
            2 * true / total if total else 0.0,
        )


@dataclass(frozen=True, slots=True)
class ScoreThresholds:
    """The thresholds of an evaluation.

    curve    of all classes together
    in_use   the point of the score in use
    best     the point with the highest F1 of all classes together; None without any match
    classes  the best points of the classes, by category id
    """

    curve: ScoreCurve
    in_use: OperatingPoint
    best: OperatingPoint | None
    classes: Mapping[int, OperatingPoint]

    def to_dict(self) -> dict[str, Any]:
        """The thresholds as JSON values; those of classes are with the classes."""
        return {"in_use": self.in_use.to_dict(), "best": None if self.best is None else self.best.to_dict()}


def score_thresholds(matches: ClassMatches, *, score: float) -> ScoreThresholds:
    """The best thresholds, overall and of each class, and the point of the score in use."""
    curve = ScoreCurve.of(matches)
    classes = {}
    for category, rows in matches.classes():
        point = ScoreCurve.of(matches, rows, int((matches.truth_category == category).sum())).best()
        if point is not None:
            classes[int(matches.category_ids[category])] = point
    return ScoreThresholds(curve, curve.at(score), curve.best(), classes)


def _between(low: float, high: float) -> float:
    """A number from `low` on and below `high`: their middle, with as few decimals as possible."""
    middle = (low + high) / 2
    rounded = (round(middle, decimals) for decimals in _DECIMALS)
    return next((value for value in rounded if low <= value < high), middle if low <= middle < high else low)
