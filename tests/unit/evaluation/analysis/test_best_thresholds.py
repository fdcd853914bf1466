"""The score threshold with the highest F1, against every threshold that makes a difference."""

import numpy as np
import pytest

from detcli.evaluation.analysis.best_thresholds import ScoreCurve, score_thresholds
from detcli.evaluation.analysis.class_matches import match_classes
from tests.helpers.evaluation_scenes import random_data, scene


def curve(pairs: list[tuple[float, bool]], truth: int) -> ScoreCurve:
    ordered = sorted(pairs, key=lambda pair: -pair[0])
    return ScoreCurve(np.array([score for score, _ in ordered]), np.array([true for _, true in ordered], bool), truth)


def f1_at(found: ScoreCurve, threshold: float) -> float:
    kept = found.scores > threshold
    true = int((found.true & kept).sum())
    return 2 * true / (int(kept.sum()) + found.truth)


@pytest.mark.parametrize("seed", range(20))
def test_no_other_threshold_has_a_higher_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    scores = rng.random(count).round(int(rng.integers(1, 5)))  # with equal ones
    found = curve(list(zip(scores.tolist(), (rng.random(count) < scores).tolist(), strict=True)), int(count * 0.8) + 1)
    best = found.best()
    if not found.true.any():
        assert best is None
        return
    assert best is not None
    every = [f1_at(found, threshold) for threshold in (0.0, *scores.tolist(), *(scores - 1e-9).tolist())]
    assert best.f1 == pytest.approx(max(every))
    assert f1_at(found, best.threshold) == pytest.approx(best.f1)
    assert found.at(best.threshold) == best


def test_precision_and_recall_are_those_of_the_kept_detections() -> None:
    found = curve([(0.9, True), (0.8, True), (0.7, False), (0.3, True), (0.2, False), (0.1, False)], truth=4)
    best = found.best()
    assert best is not None
    assert (best.threshold, best.precision, best.recall, best.f1) == (0.25, 3 / 4, 3 / 4, 3 / 4)
    at = found.at(0.8)  # scores are strictly above it
    assert (at.precision, at.recall, at.f1) == (1.0, 1 / 4, 2 / 5)
    assert found.at(0.95).precision is None
    assert found.at(0.95).f1 == 0


def test_of_equal_f1_the_highest_threshold_keeps_the_fewest() -> None:
    # 1 of 1, and 2 of 4 with 3 objects: F1 is 1/2 and 4/7; then 3 of 8: 6/11
    found = curve([(0.9, True), (0.8, False), (0.7, False), (0.6, True), (0.5, False)], truth=2)
    assert f1_at(found, 0.85) == f1_at(found, 0.55) == pytest.approx(2 / 3)
    best = found.best()
    assert best is not None
    assert best.threshold == 0.85


@pytest.mark.parametrize("scores", [[0.50001, 0.50002], [0.3, 0.3000004], [1.0, 0.9999999], [1e-8, 2e-8]])
def test_a_threshold_is_rounded_without_keeping_other_detections(scores: list[float]) -> None:
    low, high = sorted(scores)
    best = curve([(high, True), (low, False)], truth=1).best()
    assert best is not None
    assert low <= best.threshold < high
    assert (best.precision, best.recall) == (1.0, 1.0)


def test_a_threshold_has_no_more_decimals_than_it_needs() -> None:
    best = curve([(0.612345, True), (0.187654, False)], truth=1).best()
    assert best is not None
    assert best.threshold == 0.4


@pytest.mark.parametrize("lowest", [0.5, 0.4012, 0.25, 0.05, 1.0, 3e-7])
def test_where_all_are_kept_the_threshold_is_just_below_the_lowest(lowest: float) -> None:
    # What detections with lower scores would give is unknown: results are often cut off.
    best = curve([(1.0, True), (lowest, True)], truth=2).best()
    assert best is not None
    assert 0.99 * lowest < best.threshold < lowest
    assert (best.precision, best.recall) == (1.0, 1.0)


def test_a_best_threshold_keeps_no_score_of_0() -> None:
    assert curve([(0.0, True), (0.0, True)], truth=2).best() is None
    found = curve([(0.3, True), (0.0, True), (0.0, True)], truth=3)
    best = found.best()
    assert best is not None
    assert best == found.at(best.threshold)
    assert best.recall == pytest.approx(1 / 3)


@pytest.mark.parametrize("scores", [[97.0, 4.0], [2.5, -1.5], [-0.1, -0.2], [1.0000001, 0.5]])
def test_scores_that_are_no_probabilities_have_no_best_threshold(scores: list[float]) -> None:
    found = curve([(score, True) for score in scores], truth=2)
    assert not found.in_range
    assert found.best() is None


@pytest.mark.parametrize("scores", [[1.0, 0.0], [0.5], []])
def test_scores_from_0_to_1_are_in_range(scores: list[float]) -> None:
    assert curve([(score, True) for score in scores], truth=2).in_range


@pytest.mark.parametrize("seed", range(4))
def test_each_class_has_the_threshold_of_its_own_detections(seed: int) -> None:
    document, results = random_data(seed, images=20, classes=4)
    found = score_thresholds(match_classes(document, results), score=0.4)
    for category, point in found.classes.items():
        alone = {
            **document,
            "annotations": [entry for entry in document["annotations"] if entry["category_id"] == category],
            "categories": [entry for entry in document["categories"] if entry["id"] == category],
        }
        own = [entry for entry in results if entry["category_id"] == category]
        assert score_thresholds(match_classes(alone, own), score=0.4).best == point


def test_counts_at_a_score_are_those_of_the_detections_above_it() -> None:
    document, results = scene(["cat", "dog"])
    for score in (0.0, 0.3, 0.71):
        whole = score_thresholds(match_classes(document, results), score=score).in_use
        above = [entry for entry in results if entry["score"] > score]
        cut = score_thresholds(match_classes(document, above), score=0.0).in_use
        assert (whole.precision, whole.recall, whole.f1) == (cut.precision, cut.recall, cut.f1)


def test_without_a_match_there_is_no_best_threshold() -> None:
    document, results = scene(["cat", "dog"])
    found = score_thresholds(match_classes({**document, "annotations": []}, results), score=0.4)
    assert (found.best, found.classes) == (None, {})
    assert score_thresholds(match_classes(document, []), score=0.4).best is None
