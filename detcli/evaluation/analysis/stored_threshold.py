"""The thresholds of an evaluation as a model folder holds them."""

from collections.abc import Sequence

from detcli.checkpoints.score_threshold import StoredThreshold
from detcli.evaluation.analysis.best_thresholds import ScoreThresholds
from detcli.evaluation.coco_metrics import ClassMetrics

MIN_OBJECTS = 20  # of a class: from fewer, a threshold of its own is mostly chance


def stored_threshold(thresholds: ScoreThresholds, classes: Sequence[ClassMetrics], data: str) -> StoredThreshold | None:
    """The thresholds with the highest F1, overall and of classes with enough objects; None without any match.

    data  name of the ground truth, for the user
    """
    best = thresholds.best
    if best is None:
        return None
    own = {
        each.name: thresholds.classes[each.category_id].threshold
        for each in classes
        if each.ground_truth >= MIN_OBJECTS and each.category_id in thresholds.classes
    }
    return StoredThreshold(best.threshold, f"the highest F1, {best.f1:.3f}, on '{data}'", own)
