"""Calibration of scores, against its definition."""

import numpy as np
import pytest

from detcli.evaluation.analysis.best_thresholds import ScoreCurve
from detcli.evaluation.analysis.calibration import MIN_SCORE, calibration


def of(scores: list[float], true: list[bool]) -> ScoreCurve:
    order = np.argsort(-np.array(scores), kind="stable")
    return ScoreCurve(np.array(scores)[order], np.array(true, bool)[order], 10)


def test_detections_of_two_bins_by_hand() -> None:
    found = calibration(of([0.92, 0.94, 0.94, 0.62, 0.64], [True, True, False, False, False]))
    # bin 0.90 to 0.95: mean 0.9333, precision 2/3; bin 0.60 to 0.65: mean 0.63, precision 0
    assert found.error == pytest.approx(3 / 5 * (2.8 / 3 - 2 / 3) + 2 / 5 * 0.63)
    assert found.bias == pytest.approx((2.8 + 1.26 - 2) / 5)
    filled = {(each.low, each.high): (each.detections, each.precision) for each in found.bins if each.detections}
    assert filled == {(0.6, 0.65): (2, 0.0), (0.9, 0.95): (3, pytest.approx(2 / 3))}


@pytest.mark.parametrize("seed", range(5))
def test_the_error_is_the_mean_difference_of_score_and_precision(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(500).round(3)
    true = rng.random(500) < scores**2
    found = calibration(of(scores.tolist(), true.tolist()))
    kept = scores > MIN_SCORE
    total = 0.0
    for number in range(20):
        inside = kept & (scores * 1000 > number * 50) & (scores * 1000 <= (number + 1) * 50)
        total += abs(scores[inside].sum() - true[inside].sum())
        assert found.bins[number].detections == inside.sum()
    assert found.error == pytest.approx(total / kept.sum())


def test_scores_that_are_probabilities_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(40_000)
    honest = calibration(of(scores.tolist(), (rng.random(40_000) < scores).tolist()))
    boasting = calibration(of(scores.tolist(), (rng.random(40_000) < scores / 2).tolist()))
    assert honest.error is not None
    assert boasting.bias is not None
    assert honest.error < 0.02
    assert boasting.bias == pytest.approx(0.26, abs=0.02)


@pytest.mark.parametrize("scores", [[97.0, 44.0], [0.9, -0.1], [1.5, 0.2]])
def test_scores_that_are_no_probabilities_have_no_error(scores: list[float]) -> None:
    found = calibration(of(scores, [True, False]))
    assert (found.error, found.bias, found.detections) == (None, None, 0)


def test_without_detections_there_is_no_error() -> None:
    found = calibration(of([0.01, 0.05], [True, False]))
    assert (found.error, found.bias, found.detections, len(found.bins)) == (None, None, 0, 20)
