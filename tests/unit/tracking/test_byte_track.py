"""Track ids: when a track gets one, keeps it and loses it."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.masks import Rle
from detcli.tracking.byte_track import Tracker, TrackerSettings

Row = tuple[float, float, float, int]  # left, top, score, class id; every box is 40 by 40


def make_detections(*rows: Row) -> Detections:
    left, top, scores, classes = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    boxes = np.stack((left, top, left + 40, top + 40), axis=1)
    return Detections(boxes, scores.astype(np.float32), classes.astype(np.int64))


def ids(detections: Detections) -> list[int]:
    assert detections.track_ids is not None
    return detections.track_ids.tolist()


def tracked(
    frames: Iterable[Sequence[Row]], *, rate: float = 30.0, times: Sequence[float] | None = None
) -> list[list[int]]:
    """The ids of each frame's rows; 0 for a row that was dropped."""
    tracker, listed = Tracker(), []
    for number, rows in enumerate(frames):
        time_s = number / rate if times is None else times[number]
        detections = make_detections(*rows) if rows else Detections.empty()
        returned = tracker.update(detections, time_s)
        by_box = dict(zip(map(tuple, returned.boxes_xyxy.tolist()), ids(returned), strict=True))
        listed.append([by_box.get(tuple(box), 0) for box in detections.boxes_xyxy.tolist()])
    return listed


def moving(count: int, *, start: float = 0.0, speed: float = 3.0, top: float = 0.0, score: float = 0.9) -> list[Row]:
    return [(start + speed * number, top, score, 0) for number in range(count)]


def test_a_moving_object_keeps_its_id() -> None:
    assert tracked([row] for row in moving(50)) == [[1]] * 50


def test_a_track_gets_its_id_with_its_second_detection() -> None:
    later = (500.0, 300.0, 0.9, 0)
    assert tracked([[(0, 0, 0.9, 0)], [(0, 0, 0.9, 0), later], [(0, 0, 0.9, 0), later]]) == [[1], [1, 0], [1, 2]]


def test_a_single_detection_gets_no_id_and_uses_none() -> None:
    flicker = (500.0, 300.0, 0.9, 0)
    frames = [[(0, 0, 0.9, 0)]] * 2 + [[(0, 0, 0.9, 0), flicker]] + [[(0, 0, 0.9, 0)]] * 2
    frames += [[(0, 0, 0.9, 0), (100, 300, 0.9, 0)]] * 2
    assert tracked(frames) == [[1], [1], [1, 0], [1], [1], [1, 0], [1, 2]]


def test_a_low_score_continues_a_track_but_starts_none() -> None:
    sure, doubtful = (0.0, 0.0, 0.9, 0), (0.0, 0.0, 0.2, 0)
    elsewhere = (300.0, 0.0, 0.2, 0)
    assert tracked([[sure], [doubtful, elsewhere], [doubtful, elsewhere], [sure]]) == [[1], [1, 0], [1, 0], [1]]


def test_a_score_just_above_the_threshold_continues_but_starts_none() -> None:
    """ByteTrack's authors start tracks 0.1 above the threshold."""
    high, middle, elsewhere = (0.0, 0.0, 0.9, 0), (0.0, 0.0, 0.65, 0), (300.0, 0.0, 0.65, 0)
    frames = [[high], [middle, elsewhere], [middle, elsewhere], [], [middle]]
    assert tracked(frames) == [[1], [1, 0], [1, 0], [], [1]]


def test_a_second_detection_just_above_the_threshold_gives_the_id() -> None:
    here = (0.0, 0.0, 0.9, 0)
    assert tracked([[here], [here, (300.0, 0.0, 0.9, 0)], [here, (300.0, 0.0, 0.65, 0)]]) == [[1], [1, 0], [1, 2]]


def test_a_score_below_the_low_threshold_is_dropped() -> None:
    assert tracked([[(0, 0, 0.9, 0)], [(0, 0, 0.05, 0)]]) == [[1], [0]]


def test_a_low_score_never_continues_a_lost_track() -> None:
    sure, doubtful = [(0.0, 0.0, 0.9, 0)], [(0.0, 0.0, 0.3, 0)]
    assert tracked([sure, sure, [], doubtful, doubtful, sure]) == [[1], [1], [], [0], [0], [1]]


def test_a_low_score_gives_no_id() -> None:
    here, new, dim = (0.0, 0.0, 0.9, 0), (300.0, 0.0, 0.9, 0), (300.0, 0.0, 0.3, 0)
    assert tracked([[here], [here, new], [here, dim], [here, dim]]) == [[1], [1, 0], [1, 0], [1, 0]]


@pytest.mark.parametrize(("rate", "expected"), [(5.0, [[1], [1], [1]]), (60.0, [[1], [0], [0]])])
def test_the_distance_of_a_new_track_is_limited_by_time(rate: float, expected: list[list[int]]) -> None:
    """It jumps by most of its width at every frame, and its speed is unknown."""
    assert tracked([[row] for row in moving(3, speed=34.0)], rate=rate) == expected


def test_boxes_with_high_scores_are_assigned_first() -> None:
    """The box with the low score is exactly at the track, the one with the high score next to it: that is the object."""
    assert tracked([[(0, 0, 0.9, 0)], [(15, 0, 0.9, 0), (0, 0, 0.3, 0)]]) == [[1], [1, 0]]


def test_two_objects_that_cross_keep_their_ids() -> None:
    right, left = moving(60, speed=4.0), moving(60, start=240.0, speed=-4.0, top=12.0)
    assert tracked(zip(right, left, strict=True)) == [[1, 2]] * 60


def test_a_hidden_object_gets_its_id_back_at_the_predicted_place() -> None:
    path = moving(60)
    frames = [[] if 25 <= number < 45 else [row] for number, row in enumerate(path)]
    expected = [[] if 25 <= number < 45 else [1] for number in range(60)]
    assert tracked(frames) == expected


def test_a_track_lost_for_too_long_gets_a_new_id() -> None:
    here: list[Row] = [(0, 0, 0.9, 0)]
    frames: list[list[Row]] = [here] * 3 + [[]] * 31 + [here] * 3 + [[]] * 31 + [here] * 3
    returned = [row[0] for row in tracked(frames) if row]
    assert returned == [1, 1, 1, 0, 2, 2, 0, 3, 3]


def test_classes_never_share_a_track() -> None:
    as_class = [[(0.0, 0.0, 0.9, class_id)] for class_id in (0, 0, 1, 1, 0, 0, 1)]
    assert tracked(as_class) == [[1], [1], [0], [2], [1], [1], [2]]


@pytest.mark.parametrize("seed", range(5))
def test_a_track_has_one_class_and_ids_are_unique_in_a_frame(seed: int) -> None:
    random, tracker = np.random.default_rng(seed), Tracker()
    class_of: dict[int, int] = {}
    for number in range(80):
        returned = tracker.update(scattered(random, 25), number / 30)
        assert len(set(ids(returned))) == len(returned)
        for track_id, class_id in zip(ids(returned), returned.class_ids.tolist(), strict=True):
            assert class_of.setdefault(track_id, class_id) == class_id
    assert sorted(class_of) == list(range(1, len(class_of) + 1))  # none left out, from 1


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_detections_changes_no_track(seed: int) -> None:
    random = np.random.default_rng(seed)
    plain, shuffled = Tracker(), Tracker()
    for number in range(60):
        detections = scattered(random, 25, levels=4)  # many scores are the same
        order = random.permutation(len(detections))
        one = plain.update(detections, number / 30)
        other = shuffled.update(detections[order], number / 30)
        assert rows_of(one) == rows_of(other)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_detections_give_the_same_ids(seed: int) -> None:
    def run() -> list[list[int]]:
        random, tracker = np.random.default_rng(seed), Tracker()
        return [ids(tracker.update(scattered(random, 30), number / 25)) for number in range(60)]

    assert run() == run()


def test_results_keep_their_order_and_get_ids() -> None:
    masks = tuple(Rle.of(np.full((4, 4), bool(number))) for number in range(3))
    plain = make_detections((0, 0, 0.9, 0), (200, 0, 0.3, 1), (100, 0, 0.8, 2))
    returned = Tracker().update(Detections(plain.boxes_xyxy, plain.scores, plain.class_ids, masks), 0.0)
    assert rows_of(returned) == [(1, 0.0, np.float32(0.9), 0), (2, 100.0, np.float32(0.8), 2)]
    assert returned.masks == (masks[0], masks[2])


@pytest.mark.parametrize("seed", range(4))
def test_a_varying_frame_rate_changes_no_id(seed: int) -> None:
    """Three objects with different speeds that overlap for some time keep their ids at any frame times."""
    random = np.random.default_rng(seed)
    steps = random.choice([1 / 60, 1 / 30, 1 / 15, 1 / 10], 50)
    times = np.concatenate(([0.0], steps.cumsum()))
    even = np.arange(len(times)) * times[-1] / (len(times) - 1)

    def frames(when: np.ndarray) -> list[list[Row]]:
        return [[(60 * t, 0, 0.9, 0), (150 - 40 * t, 25, 0.8, 0), (20, 200 - 30 * t, 0.7, 0)] for t in when.tolist()]

    assert tracked(frames(times), times=times) == tracked(frames(even), times=even) == [[1, 2, 3]] * len(times)


def test_speed_is_measured_in_time_not_in_frames() -> None:
    """After frames left out, a fast object is looked for as far on as the time says."""
    times = [*(number / 30 for number in range(20)), 20 / 30 + 0.5]
    assert tracked([[(240 * t, 0, 0.9, 0)] for t in times], times=times) == [[1]] * 21


def test_successive_frames_may_be_far_apart_in_time() -> None:
    here: list[Row] = [(0, 0, 0.9, 0)]
    assert tracked([here] * 4, times=[0.0, 10.0, 20.0, 500.0]) == [[1]] * 4


def test_distant_boxes_are_never_joined_at_a_low_frame_rate() -> None:
    left, right = (0.0, 0.0, 0.9, 0), (600.0, 300.0, 0.9, 0)
    assert tracked([[left]] * 3 + [[right]] * 3, rate=0.1) == [[1]] * 3 + [[0]] + [[2]] * 2


@pytest.mark.parametrize(("away_s", "expected"), [(0.5, [1, 1]), (5.0, [0, 2])])
def test_after_a_gap_only_recent_tracks_continue(away_s: float, expected: list[int]) -> None:
    tracker, here = Tracker(), make_detections((0, 0, 0.9, 0))
    for number in range(5):
        tracker.update(here, number / 30)
    tracker.gap()
    after = [tracker.update(here, 4 / 30 + away_s + number / 30) for number in range(2)]
    assert [ids(returned)[0] if len(returned) else 0 for returned in after] == expected


def test_a_failed_frame_is_a_gap_and_is_returned_unchanged() -> None:
    tracker, here = Tracker(), make_detections((0, 0, 0.9, 0))
    origins = [Origin(number, "v.mp4", "v", "v", number, number * 5.0) for number in range(4)]
    failed = FailedFrame(origins[2], "damaged", "a frame could not be decoded")
    returned = [tracker.track(Frame(origin, (100, 100), None), here) for origin in origins[:2]]
    assert [ids(each) for each in returned if isinstance(each, Detections)] == [[1], [1]]
    assert tracker.track(failed, failed) is failed
    after = tracker.track(Frame(origins[3], (100, 100), None), here)
    assert isinstance(after, Detections)
    assert len(after) == 0  # ten seconds later it is a new track, which gets its id with the next detection


def test_duplicate_boxes_are_one_track() -> None:
    duplicates_twice = [(0.0, 0.0, 0.9, 0), (1.0, 0.0, 0.8, 0)]
    assert tracked([duplicates_twice] * 3) == [[1, 0]] * 3


def test_two_overlapping_objects_are_two_again_when_they_separate() -> None:
    """The second drifts onto the first, lies on it for a while, and drifts off."""
    frames = [[(0.0, 0.0, 0.9, 0), (float(abs(30 - number)), 0.0, 0.8, 0)] for number in range(61)]
    numbers = tracked(frames)
    assert numbers[15] == numbers[45] == [1, 2]
    assert numbers[28] == numbers[32] == [1, 0]


def test_no_detections_are_no_tracks() -> None:
    returned = Tracker().update(Detections.empty(), 0.0)
    assert len(returned) == 0
    assert ids(returned) == []


def test_time_that_goes_back_does_no_harm() -> None:
    assert tracked([[row] for row in moving(4, speed=0)], times=[5.0, 5.0, 1.0, 1.1]) == [[1]] * 4


@pytest.mark.parametrize(
    ("threshold", "low", "birth"), [(0.4, 0.1, 0.5), (0.6, 0.1, 0.7), (0.05, 0.05, 0.15), (0, 0, 0.1), (0.9, 0.1, 0.95)]
)
def test_tracks_start_above_the_threshold_and_continue_below(threshold: float, low: float, birth: float) -> None:
    settings = TrackerSettings.of_threshold(threshold)
    assert (settings.low_threshold, settings.high_threshold) == (low, threshold)
    assert settings.new_track_threshold == pytest.approx(birth)


def test_each_class_follows_its_own_threshold() -> None:
    settings = TrackerSettings.of_threshold(0.4, ((1, 0.8), (3, 0.05)))
    class_ids = np.array([0, 1, 3])
    assert settings.high_thresholds(class_ids) == pytest.approx([0.4, 0.8, 0.05])
    assert settings.new_track_thresholds(class_ids) == pytest.approx([0.5, 0.9, 0.15])
    assert settings.low_thresholds(class_ids) == pytest.approx([0.1, 0.1, 0.05])
    assert settings.least_threshold == 0.05
    assert TrackerSettings.of_threshold(0.4).least_threshold == 0.1


@pytest.mark.parametrize("threshold", [0.95, 0.99, 1.0])
def test_tracks_can_start_at_a_high_threshold(threshold: float) -> None:
    returned = Tracker(TrackerSettings.of_threshold(threshold)).update(make_detections((0.0, 0.0, 1.0, 0)), 0.0)
    assert ids(returned) == [1]


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_box_that_is_not_finite_is_rejected(odd: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        Tracker().update(make_detections((odd, 0.0, 0.9, 0)), 0.0)


@pytest.mark.parametrize(
    "wrong", [{"low_threshold": 0.7}, {"high_threshold": 0.8}, {"new_track_threshold": 1.5}, {"max_lost_s": -1}]
)
def test_invalid_settings_are_rejected(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be in ascending order|`max_lost_s` must be"):
        TrackerSettings(**wrong)


def scattered(random: np.random.Generator, count: int, *, levels: int = 1000) -> Detections:
    """Boxes all over a small image, so that many overlap."""
    left, top = random.uniform(0, 150, (2, count))
    scores = np.sort(random.integers(0, levels, count) / levels).astype(np.float32)[::-1].copy()
    boxes = np.stack((left, top, left + random.uniform(20, 60, count), top + random.uniform(20, 60, count)), axis=1)
    return Detections(boxes, scores, random.integers(0, 3, count))


def rows_of(detections: Detections) -> list[tuple[int, float, np.float32, int]]:
    rows = zip(
        ids(detections), detections.boxes_xyxy[:, 0].tolist(), detections.scores, detections.class_ids, strict=True
    )
    return sorted(rows)
