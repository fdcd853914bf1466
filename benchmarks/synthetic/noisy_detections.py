"""What a detector that errs would say of true boxes: it misses, doubts, trembles and sees what is not there.

With it a tracker is evaluated by itself, whatever detector there is.
"""

from dataclasses import dataclass

import numpy as np

from detcli.structures.detections import Detections
from detcli.structures.ground_truth import GroundTruth


@dataclass(frozen=True, slots=True)
class NoisyDetections:
    """How a detector errs.

    missed    share of ground truth that it does not see
    doubtful  share of those it sees whose score is low: 0.15 to 0.5 instead of 0.6 to 1
    trembling standard deviation of each edge, in sides of the box
    invented  boxes a frame where nothing is, on average; their scores are anything from 0.1 to 0.9
    """

    missed: float
    doubtful: float
    trembling: float
    invented: float


ERRORS: dict[str, NoisyDetections] = {
    "none": NoisyDetections(0.0, 0.0, 0.0, 0.0),
    "easy": NoisyDetections(0.02, 0.05, 0.02, 0.05),
    "hard": NoisyDetections(0.10, 0.20, 0.05, 0.5),
}


def detect_erring(
    ground_truth: GroundTruth,
    size_hw: tuple[int, int],
    errors: NoisyDetections,
    rng: np.random.Generator,
    *,
    classes: int,
) -> Detections:
    """Detections of one frame; which errors they hold follows from `rng`. What is a crowd is not seen."""
    seen = ground_truth[(rng.random(len(ground_truth)) >= errors.missed) & ~ground_truth.crowd]
    sides = seen.boxes_xyxy[:, 2:] - seen.boxes_xyxy[:, :2]
    boxes = seen.boxes_xyxy + rng.normal(0, 1, (len(seen), 4)) * errors.trembling * np.tile(sides, 2)
    doubtful = rng.random(len(seen)) < errors.doubtful
    scores = np.where(doubtful, rng.uniform(0.15, 0.5, len(seen)), rng.uniform(0.6, 1.0, len(seen)))
    count = int(rng.poisson(errors.invented))
    corner, size = rng.uniform(0, 0.8, (count, 2)), rng.uniform(0.05, 0.3, (count, 2))
    invented = np.concatenate((corner, corner + size), axis=1) * np.tile(size_hw[::-1], 2)
    boxes = np.concatenate((boxes, invented))
    boxes = np.sort(boxes.reshape(-1, 2, 2), axis=1).reshape(-1, 4).clip(0, np.tile(size_hw[::-1], 2))
    scores = np.concatenate((scores, rng.uniform(0.1, 0.9, count))).astype(np.float32)
    class_ids = np.concatenate((seen.class_ids, rng.integers(0, classes, count)))
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order], scores[order], class_ids[order])
