"""How good tracking is on moving shapes, at the command's own threshold: sequences that no published figure is of."""

import numpy as np
import pytest

from benchmarks.synthetic.noisy_detections import ERRORS, detect_with_errors
from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.evaluation.tracking_metrics import TrackingMetrics, evaluate_tracks
from detcli.inference.load_settings import DEFAULT_THRESHOLD
from detcli.tracking.byte_track import Tracker, TrackerSettings

DEFAULT = TrackerSettings.of_threshold(DEFAULT_THRESHOLD)


def metrics(level: str, errors: str, *, seeds: int = 3, rate: float = 30.0) -> TrackingMetrics:
    sequences = []
    for seed in range(seeds):
        shapes, tracker = ShapeSequence(level, seed, rate=rate, frames=round(4 * rate)), Tracker(DEFAULT)
        rng, frames = np.random.default_rng(seed), []
        for index in range(len(shapes)):
            true = shapes.ground_truth(index)
            found = detect_with_errors(true, shapes.size_hw, ERRORS[errors], rng, classes=len(shapes.labels))
            frames.append((true, tracker.update(found, shapes.time_s(index))))
        sequences.append(evaluate_tracks(frames))
    return TrackingMetrics.of_all(sequences)


def test_perfect_detections_miss_only_first_frames() -> None:
    easy = metrics("easy", "none")
    assert (easy.switches, easy.false_positives) == (0, 0)
    assert easy.idf1 > 0.99
    assert easy.mota > 0.99


@pytest.mark.parametrize("rate", [10.0, 30.0])
def test_the_easy_set_is_above_nine_tenths(rate: float) -> None:
    easy = metrics("easy", "easy", rate=rate)
    assert easy.idf1 > 0.95
    assert easy.mota > 0.95


def test_the_hard_set_loses_little_more_than_the_detector() -> None:
    """A tenth of the boxes is missed, and a fifth doubtful: without the doubtful ones MOTA could not pass 0.7."""
    hard = metrics("hard", "hard")
    assert hard.idf1 > 0.85
    assert hard.mota > 0.82
    assert hard.false_positives < 0.01 * hard.detections
