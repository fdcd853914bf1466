"""The metrics of tracking, on cases small enough to count by hand from the definitions of both papers."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from detcli.evaluation.tracking_metrics import TrackingMetrics, evaluate_tracks
from detcli.structures.detections import Detections
from detcli.structures.ground_truth import GroundTruth

Seen = dict[int, float]  # number of an object or a track -> left edge of its box of 10 by 10


def boxes(seen: Seen) -> np.ndarray:
    left = np.array(list(seen.values()), np.float64)
    return np.stack((left, np.zeros_like(left), left + 10, np.full_like(left, 10)), axis=1).reshape(-1, 4)


def ground_truth(seen: Seen, *, classes: Sequence[int] | None = None, crowd: Sequence[int] = ()) -> GroundTruth:
    ids = np.array(list(seen), np.int64)
    class_ids = np.array(classes if classes is not None else [0] * len(seen), np.int64)
    return GroundTruth(boxes(seen), class_ids, np.isin(ids, crowd), track_ids=ids)


def detections(seen: Seen, *, classes: Sequence[int] | None = None) -> Detections:
    ids, count = np.array(list(seen), np.int64), len(seen)
    class_ids = np.array(classes if classes is not None else [0] * count, np.int64)
    return Detections(boxes(seen), np.ones(count, np.float32), class_ids, track_ids=ids)


def evaluate(*frames: tuple[Seen, Seen]) -> TrackingMetrics:
    return evaluate_tracks((ground_truth(true), detections(found)) for true, found in frames)


def test_what_is_as_it_should_be_has_no_fault() -> None:
    metrics = evaluate(*[({1: 0, 2: 50}, {7: 0, 9: 50})] * 5)
    assert (metrics.mota, metrics.motp, metrics.idf1) == (1.0, 1.0, 1.0)
    assert (metrics.misses, metrics.false_positives, metrics.switches) == (0, 0, 0)


def test_misses_and_false_positives_are_counted() -> None:
    """Ten ground truth, two missed, one invented: MOTA = 1 - 3 / 10; IDF1 = 2 * 8 / (10 + 9)."""
    metrics = evaluate(*[({1: 0}, {1: 0})] * 8, ({1: 0}, {}), ({1: 0}, {2: 70}))
    assert (metrics.ground_truth, metrics.misses, metrics.false_positives, metrics.switches) == (10, 2, 1, 0)
    assert metrics.mota == pytest.approx(0.7)
    assert metrics.idf1 == pytest.approx(16 / 19)
    assert (metrics.id_precision, metrics.id_recall) == (pytest.approx(8 / 9), pytest.approx(8 / 10))


def test_a_number_that_changes_is_one_switch_and_half_of_the_identity() -> None:
    """Ten frames, the number changes after six: MOTA = 1 - 1 / 10, and track 1 is right in 6 of 10: IDF1 = 0.6."""
    metrics = evaluate(*[({1: 0}, {1: 0})] * 6, *[({1: 0}, {2: 0})] * 4)
    assert (metrics.switches, metrics.misses, metrics.false_positives) == (1, 0, 0)
    assert metrics.mota == pytest.approx(0.9)
    assert metrics.idf1 == pytest.approx(0.6)


def test_two_that_swap_numbers_are_two_switches() -> None:
    """Bernardin and Stiefelhagen count each object's change; the better identity has 3 of 4 frames of each: 0.75."""
    metrics = evaluate(*[({1: 0, 2: 50}, {1: 0, 2: 50})] * 3, ({1: 0, 2: 50}, {2: 0, 1: 50}))
    assert metrics.switches == 2
    assert metrics.mota == pytest.approx(1 - 2 / 8)
    assert metrics.idf1 == pytest.approx(6 / 8)


def test_a_switch_over_a_pause_is_a_switch() -> None:
    metrics = evaluate(({1: 0}, {1: 0}), ({1: 0}, {}), ({1: 0}, {2: 0}))
    assert (metrics.switches, metrics.misses) == (1, 1)


def test_the_same_number_after_a_pause_is_none() -> None:
    assert evaluate(({1: 0}, {1: 0}), ({}, {}), ({1: 0}, {1: 0})).switches == 0


def test_a_pair_is_kept_while_it_overlaps_enough() -> None:
    """Track 1 overlaps by 8 / 12 and the new track 2 entirely; the pair of the frame before is kept, 2 is too much."""
    metrics = evaluate(({1: 0}, {1: 0}), ({1: 0}, {1: 2, 2: 0}))
    assert (metrics.switches, metrics.false_positives, metrics.pairs) == (0, 1, 2)
    assert metrics.motp == pytest.approx((1 + 8 / 12) / 2)


def test_pairs_of_one_frame_have_the_most_overlap_in_all() -> None:
    """Object 1 is nearer to track 5 than to 6, but only it can have 6: both are found."""
    metrics = evaluate(({1: 2, 2: 0}, {5: 1, 6: 4}))
    assert (metrics.pairs, metrics.misses, metrics.false_positives) == (2, 0, 0)


@pytest.mark.parametrize(("left", "pairs"), [(10 / 3 - 0.01, 1), (10 / 3 + 0.01, 0)])
def test_half_an_overlap_is_enough_and_less_is_not(left: float, pairs: int) -> None:
    """Two boxes of 10 by 10, apart by a third of a side: intersection 20 / 3, union 40 / 3."""
    assert evaluate(({1: 0}, {1: left})).pairs == pairs


def test_another_class_is_another_thing() -> None:
    metrics = evaluate_tracks([(ground_truth({1: 0}, classes=[0]), detections({1: 0}, classes=[1]))])
    assert (metrics.pairs, metrics.misses, metrics.false_positives, metrics.idf1) == (0, 1, 1, 0.0)


def test_one_track_over_two_objects_is_right_about_one() -> None:
    """Object 1 for 3 frames, then object 2 for 2, both with track 1: one belongs to it, IDF1 = 2 * 3 / (5 + 5)."""
    metrics = evaluate(*[({1: 0}, {1: 0})] * 3, *[({2: 0}, {1: 0})] * 2)
    assert metrics.switches == 0
    assert metrics.mota == 1.0
    assert metrics.idf1 == pytest.approx(0.6)


def test_the_example_of_both_measures_apart() -> None:
    """Nine frames in three pieces of 5, 1 and 3: two switches for MOTA; track 1 and 3 are the same, so 8 of 9 for IDF1."""
    pieces = [({1: 0}, {1: 0})] * 5 + [({1: 0}, {2: 0})] + [({1: 0}, {1: 0})] * 3
    metrics = evaluate(*pieces)
    assert (metrics.switches, metrics.mota, metrics.idf1) == (2, pytest.approx(7 / 9), pytest.approx(8 / 9))


def test_worse_than_nothing_is_below_zero() -> None:
    assert evaluate(({1: 0}, {1: 30, 2: 50, 3: 70})).mota == -3.0


def test_a_crowd_may_be_detected_or_not() -> None:
    with_crowd = ground_truth({1: 0, 2: 50}, crowd=[2])
    for found in ({1: 0}, {1: 0, 2: 50}):
        metrics = evaluate_tracks([(with_crowd, detections(found))])
        assert (metrics.ground_truth, metrics.detections, metrics.mota, metrics.idf1) == (1, 1, 1.0, 1.0)
    far = evaluate_tracks([(with_crowd, detections({1: 0, 2: 80}))])
    assert far.false_positives == 1


def test_a_crowd_takes_no_detection_from_an_object() -> None:
    """The only detection lies on the crowd exactly and overlaps the object enough: it is the object's."""
    metrics = evaluate_tracks([(ground_truth({1: 0, 2: 2}, crowd=[2]), detections({1: 2}))])
    assert (metrics.pairs, metrics.misses, metrics.false_positives) == (1, 0, 0)


def test_metrics_of_several_sequences_are_of_their_sums() -> None:
    one, other = evaluate(({1: 0}, {1: 0}), ({1: 0}, {2: 0})), evaluate(*[({1: 0}, {1: 0})] * 8)
    both = TrackingMetrics.of_all([one, other])
    assert both.mota == pytest.approx(1 - 1 / 10)
    assert both.idf1 == pytest.approx(2 * 9 / 20)


def test_without_ground_truth_there_is_no_metric() -> None:
    assert math.isnan(evaluate(({}, {1: 0})).mota)
    assert math.isnan(evaluate(({}, {})).idf1)
    assert math.isnan(TrackingMetrics.of_all([]).mota)


def test_detections_without_track_ids_are_refused() -> None:
    plain = Detections(boxes({1: 0}), np.ones(1, np.float32), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="without track ids"):
        evaluate_tracks([(ground_truth({1: 0}), plain)])


def test_a_number_twice_in_a_frame_is_refused() -> None:
    twice = Detections(boxes({1: 0, 2: 9}), np.ones(2, np.float32), np.zeros(2, np.int64), track_ids=np.array([3, 3]))
    with pytest.raises(ValueError, match="twice"):
        evaluate_tracks([(ground_truth({1: 0}), twice)])
