"""Detections with seeded errors, made from the ground truth: missed, uncertain, imprecise and false ones.

With them a tracker is evaluated independently of any detector.
"""

from dataclasses import dataclass

import numpy as np

from detcli.structures.detections import Detections
from detcli.structures.ground_truth import GroundTruth


@dataclass(frozen=True, slots=True)
class NoisyDetections:
    """Error rates of a detector.

    missed           fraction of the ground truth without a detection
    uncertain        fraction of the detections with a low score: 0.15 to 0.5 instead of 0.6 to 1
    jitter           standard deviation of each edge, in sides of the box
    false_positives  mean number of false positives per frame, with scores from 0.1 to 0.9
    """

    missed: float
    uncertain: float
    jitter: float
    false_positives: float


ERRORS: dict[str, NoisyDetections] = {
    "none": NoisyDetections(0.0, 0.0, 0.0, 0.0),
    "easy": NoisyDetections(0.02, 0.05, 0.02, 0.05),
    "hard": NoisyDetections(0.10, 0.20, 0.05, 0.5),
}


def detect_with_errors(
    ground_truth: GroundTruth,
    size_hw: tuple[int, int],
    errors: NoisyDetections,
    rng: np.random.Generator,
    *,
    classes: int,
) -> Detections:
    """Detections of one frame with random errors; crowds are not detected."""
    detected = ground_truth[(rng.random(len(ground_truth)) >= errors.missed) & ~ground_truth.crowd]
    sides = detected.boxes_xyxy[:, 2:] - detected.boxes_xyxy[:, :2]
    boxes = detected.boxes_xyxy + rng.normal(0, 1, (len(detected), 4)) * errors.jitter * np.tile(sides, 2)
    uncertain = rng.random(len(detected)) < errors.uncertain
    scores = np.where(uncertain, rng.uniform(0.15, 0.5, len(detected)), rng.uniform(0.6, 1.0, len(detected)))
    count = int(rng.poisson(errors.false_positives))
    corner, size = rng.uniform(0, 0.8, (count, 2)), rng.uniform(0.05, 0.3, (count, 2))
    false_boxes = np.concatenate((corner, corner + size), axis=1) * np.tile(size_hw[::-1], 2)
    boxes = np.concatenate((boxes, false_boxes))
    boxes = np.sort(boxes.reshape(-1, 2, 2), axis=1).reshape(-1, 4).clip(0, np.tile(size_hw[::-1], 2))
    scores = np.concatenate((scores, rng.uniform(0.1, 0.9, count))).astype(np.float32)
    class_ids = np.concatenate((detected.class_ids, rng.integers(0, classes, count)))
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order], scores[order], class_ids[order])
