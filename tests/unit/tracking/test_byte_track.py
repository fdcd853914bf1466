"""What a user may rely on when objects have numbers."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.masks import Rle
from detcli.tracking.byte_track import Tracker, TrackerSettings

Row = tuple[float, float, float, int]  # left, top, score, class id; every box is 40 by 40


def found(*rows: Row) -> Detections:
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
        detections = found(*rows) if rows else Detections.empty()
        given = tracker.update(detections, time_s)
        by_box = dict(zip(map(tuple, given.boxes_xyxy.tolist()), ids(given), strict=True))
        listed.append([by_box.get(tuple(box), 0) for box in detections.boxes_xyxy.tolist()])
    return listed


def moving(count: int, *, start: float = 0.0, speed: float = 3.0, top: float = 0.0, score: float = 0.9) -> list[Row]:
    return [(start + speed * number, top, score, 0) for number in range(count)]


def test_what_moves_keeps_its_number() -> None:
    assert tracked([row] for row in moving(50)) == [[1]] * 50


def test_a_number_is_given_at_the_second_sighting() -> None:
    later = (500.0, 300.0, 0.9, 0)
    assert tracked([[(0, 0, 0.9, 0)], [(0, 0, 0.9, 0), later], [(0, 0, 0.9, 0), later]]) == [[1], [1, 0], [1, 2]]


def test_what_flickers_up_once_has_none_and_takes_none() -> None:
    flicker = (500.0, 300.0, 0.9, 0)
    frames = [[(0, 0, 0.9, 0)]] * 2 + [[(0, 0, 0.9, 0), flicker]] + [[(0, 0, 0.9, 0)]] * 2
    frames += [[(0, 0, 0.9, 0), (100, 300, 0.9, 0)]] * 2
    assert tracked(frames) == [[1], [1], [1, 0], [1], [1], [1, 0], [1, 2]]


def test_a_doubtful_box_goes_on_with_a_track_but_begins_none() -> None:
    sure, doubtful = (0.0, 0.0, 0.9, 0), (0.0, 0.0, 0.2, 0)
    elsewhere = (300.0, 0.0, 0.2, 0)
    assert tracked([[sure], [doubtful, elsewhere], [doubtful, elsewhere], [sure]]) == [[1], [1, 0], [1, 0], [1]]


def test_a_box_just_above_the_threshold_goes_on_with_a_track_a_lost_one_too_but_begins_none() -> None:
    """ByteTrack's authors begin tracks 0.1 above the threshold."""
    surest, sure, elsewhere = (0.0, 0.0, 0.9, 0), (0.0, 0.0, 0.65, 0), (300.0, 0.0, 0.65, 0)
    frames = [[surest], [sure, elsewhere], [sure, elsewhere], [], [sure]]
    assert tracked(frames) == [[1], [1, 0], [1, 0], [], [1]]


def test_a_second_sighting_just_above_the_threshold_gives_the_number() -> None:
    here = (0.0, 0.0, 0.9, 0)
    assert tracked([[here], [here, (300.0, 0.0, 0.9, 0)], [here, (300.0, 0.0, 0.65, 0)]]) == [[1], [1, 0], [1, 2]]


def test_what_is_less_than_doubtful_is_dropped() -> None:
    assert tracked([[(0, 0, 0.9, 0)], [(0, 0, 0.05, 0)]]) == [[1], [0]]


def test_a_doubtful_box_never_brings_a_lost_track_back() -> None:
    sure, doubtful = [(0.0, 0.0, 0.9, 0)], [(0.0, 0.0, 0.3, 0)]
    assert tracked([sure, sure, [], doubtful, doubtful, sure]) == [[1], [1], [], [0], [0], [1]]


def test_a_doubtful_box_gives_no_number() -> None:
    here, new, dim = (0.0, 0.0, 0.9, 0), (300.0, 0.0, 0.9, 0), (300.0, 0.0, 0.3, 0)
    assert tracked([[here], [here, new], [here, dim], [here, dim]]) == [[1], [1, 0], [1, 0], [1, 0]]


@pytest.mark.parametrize(("rate", "expected"), [(5.0, [[1], [1], [1]]), (60.0, [[1], [0], [0]])])
def test_how_far_a_new_track_may_have_gone_is_a_matter_of_time(rate: float, expected: list[list[int]]) -> None:
    """It jumps by most of its width at every frame, and nobody knows its speed yet."""
    assert tracked([[row] for row in moving(3, speed=34.0)], rate=rate) == expected


def test_the_better_boxes_choose_first() -> None:
    """The doubtful box lies exactly where the track is, and the sure one next to it: that one is the object."""
    assert tracked([[(0, 0, 0.9, 0)], [(15, 0, 0.9, 0), (0, 0, 0.3, 0)]]) == [[1], [1, 0]]


def test_two_that_pass_through_each_other_keep_their_numbers() -> None:
    right, left = moving(60, speed=4.0), moving(60, start=240.0, speed=-4.0, top=12.0)
    assert tracked(zip(right, left, strict=True)) == [[1, 2]] * 60


def test_what_was_hidden_has_its_number_back_where_it_should_come_out() -> None:
    path = moving(60)
    frames = [[] if 25 <= number < 45 else [row] for number, row in enumerate(path)]
    expected = [[] if 25 <= number < 45 else [1] for number in range(60)]
    assert tracked(frames) == expected


def test_what_stays_away_too_long_is_somebody_else_and_numbers_are_never_given_twice() -> None:
    here: list[Row] = [(0, 0, 0.9, 0)]
    frames: list[list[Row]] = [here] * 3 + [[]] * 31 + [here] * 3 + [[]] * 31 + [here] * 3
    given = [row[0] for row in tracked(frames) if row]
    assert given == [1, 1, 1, 0, 2, 2, 0, 3, 3]


def test_classes_never_share_a_track() -> None:
    as_class = [[(0.0, 0.0, 0.9, class_id)] for class_id in (0, 0, 1, 1, 0, 0, 1)]
    assert tracked(as_class) == [[1], [1], [0], [2], [1], [1], [2]]


@pytest.mark.parametrize("seed", range(5))
def test_a_track_has_one_class_and_a_frame_no_number_twice(seed: int) -> None:
    random, tracker = np.random.default_rng(seed), Tracker()
    class_of: dict[int, int] = {}
    for number in range(80):
        given = tracker.update(scattered(random, 25), number / 30)
        assert len(set(ids(given))) == len(given)
        for track_id, class_id in zip(ids(given), given.class_ids.tolist(), strict=True):
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
def test_the_same_detections_give_the_same_numbers(seed: int) -> None:
    def run() -> list[list[int]]:
        random, tracker = np.random.default_rng(seed), Tracker()
        return [ids(tracker.update(scattered(random, 30), number / 25)) for number in range(60)]

    assert run() == run()


def test_what_is_given_back_is_what_came_in_its_order_with_numbers() -> None:
    masks = tuple(Rle.of(np.full((4, 4), bool(number))) for number in range(3))
    plain = found((0, 0, 0.9, 0), (200, 0, 0.3, 1), (100, 0, 0.8, 2))
    given = Tracker().update(Detections(plain.boxes_xyxy, plain.scores, plain.class_ids, masks), 0.0)
    assert rows_of(given) == [(1, 0.0, np.float32(0.9), 0), (2, 100.0, np.float32(0.8), 2)]
    assert given.masks == (masks[0], masks[2])


@pytest.mark.parametrize("seed", range(4))
def test_a_rate_that_varies_changes_nothing_where_motion_is_even(seed: int) -> None:
    """Three objects at their own speeds, one behind another for a while; seen at any times they are the same three."""
    random = np.random.default_rng(seed)
    steps = random.choice([1 / 60, 1 / 30, 1 / 15, 1 / 10], 50)
    times = np.concatenate(([0.0], steps.cumsum()))
    even = np.arange(len(times)) * times[-1] / (len(times) - 1)

    def frames(when: np.ndarray) -> list[list[Row]]:
        return [[(60 * t, 0, 0.9, 0), (150 - 40 * t, 25, 0.8, 0), (20, 200 - 30 * t, 0.7, 0)] for t in when.tolist()]

    assert tracked(frames(times), times=times) == tracked(frames(even), times=even) == [[1, 2, 3]] * len(times)


def test_speed_is_of_time_and_not_of_frames() -> None:
    """After frames left out, a fast object is looked for as far on as the time says."""
    times = [*(number / 30 for number in range(20)), 20 / 30 + 0.5]
    assert tracked([[(240 * t, 0, 0.9, 0)] for t in times], times=times) == [[1]] * 21


def test_frames_far_apart_are_still_one_after_the_other() -> None:
    here: list[Row] = [(0, 0, 0.9, 0)]
    assert tracked([here] * 4, times=[0.0, 10.0, 20.0, 500.0]) == [[1]] * 4


def test_in_a_frame_every_ten_seconds_one_end_of_the_image_is_not_the_other() -> None:
    left, right = (0.0, 0.0, 0.9, 0), (600.0, 300.0, 0.9, 0)
    assert tracked([[left]] * 3 + [[right]] * 3, rate=0.1) == [[1]] * 3 + [[0]] + [[2]] * 2


@pytest.mark.parametrize(("away_s", "expected"), [(0.5, [1, 1]), (5.0, [0, 2])])
def test_after_a_gap_only_what_was_seen_lately_goes_on(away_s: float, expected: list[int]) -> None:
    tracker, here = Tracker(), found((0, 0, 0.9, 0))
    for number in range(5):
        tracker.update(here, number / 30)
    tracker.gap()
    after = [tracker.update(here, 4 / 30 + away_s + number / 30) for number in range(2)]
    assert [ids(given)[0] if len(given) else 0 for given in after] == expected


def test_a_frame_that_failed_is_a_gap_and_goes_through_untouched() -> None:
    tracker, here = Tracker(), found((0, 0, 0.9, 0))
    origins = [Origin(number, "v.mp4", "v", "v", number, number * 5.0) for number in range(4)]
    failed = FailedFrame(origins[2], "damaged", "a frame could not be decoded")
    given = [tracker.track(Frame(origin, (100, 100), None), here) for origin in origins[:2]]
    assert [ids(each) for each in given if isinstance(each, Detections)] == [[1], [1]]
    assert tracker.track(failed, failed) is failed
    after = tracker.track(Frame(origins[3], (100, 100), None), here)
    assert isinstance(after, Detections)
    assert len(after) == 0  # ten seconds later it is somebody new, with a number from the next sighting on


def test_a_box_twice_is_one_track() -> None:
    twice = [(0.0, 0.0, 0.9, 0), (1.0, 0.0, 0.8, 0)]
    assert tracked([twice] * 3) == [[1, 0]] * 3


def test_two_that_become_one_are_shown_once_and_two_again_when_they_part() -> None:
    """The second drifts onto the first, lies on it for a while, and drifts off."""
    frames = [[(0.0, 0.0, 0.9, 0), (float(abs(30 - number)), 0.0, 0.8, 0)] for number in range(61)]
    numbers = tracked(frames)
    assert numbers[15] == numbers[45] == [1, 2]
    assert numbers[28] == numbers[32] == [1, 0]


def test_nothing_found_is_nothing_tracked() -> None:
    given = Tracker().update(Detections.empty(), 0.0)
    assert len(given) == 0
    assert ids(given) == []


def test_a_clock_that_goes_back_breaks_nothing() -> None:
    assert tracked([[row] for row in moving(4, speed=0)], times=[5.0, 5.0, 1.0, 1.1]) == [[1]] * 4


@pytest.mark.parametrize(
    ("threshold", "low", "birth"), [(0.4, 0.1, 0.5), (0.6, 0.1, 0.7), (0.05, 0.05, 0.15), (0, 0, 0.1), (0.9, 0.1, 0.95)]
)
def test_of_a_threshold_tracks_begin_above_it_and_go_on_below(threshold: float, low: float, birth: float) -> None:
    settings = TrackerSettings.of_threshold(threshold)
    assert (settings.low_threshold, settings.high_threshold) == (low, threshold)
    assert settings.new_track_threshold == pytest.approx(birth)


@pytest.mark.parametrize("threshold", [0.95, 0.99, 1.0])
def test_a_high_threshold_leaves_room_for_tracks_to_begin(threshold: float) -> None:
    given = Tracker(TrackerSettings.of_threshold(threshold)).update(found((0.0, 0.0, 1.0, 0)), 0.0)
    assert ids(given) == [1]


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_box_that_is_nowhere_is_refused(odd: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        Tracker().update(found((odd, 0.0, 0.9, 0)), 0.0)


@pytest.mark.parametrize(
    "wrong", [{"low_threshold": 0.7}, {"high_threshold": 0.8}, {"new_track_threshold": 1.5}, {"max_lost_s": -1}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
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
