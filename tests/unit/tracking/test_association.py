"""Duplicate detections are one object."""

from itertools import pairwise

import numpy as np

from detcli.structures.detections import Detections
from detcli.tracking.association import duplicates, hidden_by_other_tracks
from detcli.tracking.byte_track import Tracker


def make_detections(*rows: tuple[float, float, int]) -> Detections:
    """Left edge, score, class id; boxes of 40 by 40."""
    left, scores, class_ids = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.stack((left, np.zeros_like(left), left + 40, np.full_like(left, 40.0)), axis=1)
    return Detections(boxes.astype(np.float64), scores.astype(np.float32), class_ids.astype(np.int64))


def test_of_duplicates_the_better_or_the_tracked_one_is_kept() -> None:
    twice = make_detections((0.0, 0.9, 0), (1.0, 0.8, 0), (60.0, 0.7, 0), (0.5, 0.6, 1))
    free, owned = np.zeros(4, np.bool_), np.array([False, True, False, False])
    assert duplicates(twice, free, 0.7).tolist() == [False, True, False, False]
    assert duplicates(twice, owned, 0.7).tolist() == [True, True, False, False]


def test_of_duplicates_the_one_with_less_evidence_is_hidden() -> None:
    named = make_detections((0.0, 0.9, 0), (1.0, 0.8, 1), (60.0, 0.7, 2), (60.0, 0.6, 2))
    assert hidden_by_other_tracks(named, np.array([1.0, 9.0, 1.0, 2.0]), 0.7).tolist() == [True, False, True, False]
    assert hidden_by_other_tracks(named, np.array([1.0, 1.0, 1.0, 1.0]), 0.7).tolist() == [False, True, False, True]


def test_a_hidden_box_hides_no_other_box() -> None:
    row = make_detections((0.0, 0.9, 0), (5.0, 0.8, 1), (10.0, 0.7, 2))  # neighbours are alike, the outer two are not
    assert hidden_by_other_tracks(row, np.array([3.0, 2.0, 1.0]), 0.7).tolist() == [False, True, False]


def test_a_wrong_class_is_replaced_by_one_with_more_evidence() -> None:
    """Three frames with class 1 only, then class 0 with high and class 1 with low scores: each frame has one box."""
    tracker, shown = Tracker(), []
    for number in range(40):
        rows = [(0.0, 0.7, 1)] if number < 3 else [(0.0, 0.9, 0), (0.0, 0.3, 1)]
        returned = tracker.update(make_detections(*rows), number / 30)
        shown.append(returned.class_ids.tolist())
    assert shown[:3] == [[1]] * 3
    assert all(len(classes) == 1 for classes in shown)
    assert shown[-1] == [0]
    assert sum(before != after for before, after in pairwise(shown)) == 1


def test_an_old_class_is_replaced_within_seconds() -> None:
    tracker = Tracker()
    for number in range(300):
        tracker.update(make_detections((0.0, 0.9, 1)), number / 30)
    for number in range(300, 390):
        returned = tracker.update(make_detections((0.0, 0.9, 0), (0.0, 0.3, 1)), number / 30)
    assert returned.class_ids.tolist() == [0]


def test_a_track_without_an_id_hides_no_track_with_an_id() -> None:
    """At one frame per second an old class has little evidence; a new one with higher scores needs its second frame."""
    tracker, shown = Tracker(), []
    for number in range(6):
        rows = [(0.0, 0.5, 1)] if 0 < number < 3 else [(0.0, 0.9, 0), (0.0, 0.5, 1)] if number else [(0.0, 0.9, 1)]
        shown.append(tracker.update(make_detections(*rows), float(number)).class_ids.tolist())
    assert shown == [[1]] * 4 + [[0]] * 2


def test_equal_evidence_does_not_depend_on_the_order() -> None:
    one = Tracker().update(make_detections((0.0, 0.9, 0), (0.0, 0.9, 1)), 0.0)
    other = Tracker().update(make_detections((0.0, 0.9, 1), (0.0, 0.9, 0)), 0.0)
    assert one.class_ids.tolist() == other.class_ids.tolist() == [0]


def test_a_track_that_is_never_returned_gets_no_id() -> None:
    tracker = Tracker()
    for number in range(10):
        tracker.update(make_detections((0.0, 0.9, 0), (0.0, 0.7, 1)), number / 30)
    returned = [
        tracker.update(make_detections((0.0, 0.9, 0), (200.0, 0.8, 1)), (10 + number) / 30) for number in range(2)
    ]
    assert [each.track_ids.tolist() for each in returned if each.track_ids is not None] == [[1], [1, 2]]
