"""Tracks of several sources: each is followed by itself."""

from dataclasses import replace

import numpy as np
import pytest

from detcli.engine.video.multi_tracker import MultiSourceTracker
from detcli.sources.video.video_source import frame_origin, gap_origin
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


def frame(place: str, number: int, time_s: float) -> Frame:
    return Frame(frame_origin(number, file=f"{place}.mp4", source=place, frame=number, time_s=time_s), (100, 100), None)


def boxes(count: int, *, score: float = 0.9) -> Detections:
    left = 100.0 * np.arange(count)
    corners = np.stack((left, np.zeros(count), left + 40, np.full(count, 40.0)), axis=1)
    return Detections(corners, np.full(count, score, np.float32), np.zeros(count, np.int64))


def ids(result: Detections | FailedFrame) -> list[int]:
    assert isinstance(result, Detections)
    assert result.track_ids is not None
    return result.track_ids.tolist()


def test_track_ids_start_at_one_in_each_source() -> None:
    following = MultiSourceTracker(0.4)
    for number in range(3):
        assert ids(following(frame("a", number, number / 30), boxes(2))) == [1, 2]
        assert ids(following(frame("deep/b", number, number / 30), boxes(1))) == [1]
    assert following.tracks == 3


def test_a_source_is_known_by_its_field_not_by_the_path() -> None:
    tracker = MultiSourceTracker(0.4)
    for number, source in enumerate(("a", "b")):
        shot = frame("same", number, number / 30)
        assert ids(tracker(replace(shot, origin=replace(shot.origin, source=source)), boxes(1))) == [1]
    assert tracker.tracks == 2


def test_a_gap_affects_only_its_source() -> None:
    following = MultiSourceTracker(0.4)
    for number, place in enumerate(("a", "b")):
        following(frame(place, number, 0.0), boxes(1))
    lost = FailedFrame(gap_origin(2, file="a.mp4", source="a", frame=1, time_s=0.1), "gap", "nothing came for 9 s")
    assert following(lost, lost) is lost
    assert ids(following(frame("a", 1, 9.0), boxes(1))) == []
    assert ids(following(frame("b", 1, 9.0), boxes(1))) == [1]


def test_a_frame_without_detections_has_no_tracks() -> None:
    following = MultiSourceTracker(0.4)
    assert ids(following(frame("a", 0, 0.0), boxes(0))) == []
    assert following.tracks == 0


def test_boxes_below_the_birth_threshold_start_no_track() -> None:
    following = MultiSourceTracker(0.4)
    assert [ids(following(frame("a", number, number / 30), boxes(1, score=0.45))) for number in range(3)] == [[]] * 3


FADING = (0.9, 0.9, 0.3, 0.2, 0.4, 0.9)


def test_no_box_below_the_threshold_is_returned() -> None:
    following = MultiSourceTracker(0.4)
    seen = [ids(following(frame("a", n, n / 30), boxes(1, score=score))) for n, score in enumerate(FADING)]
    assert seen == [[1], [1], [], [], [], [1]]  # the weak boxes kept the track alive
    assert following.tracks == 1


def test_weak_boxes_are_returned_when_requested() -> None:
    following = MultiSourceTracker(0.4, weak_boxes=True)
    seen = [ids(following(frame("a", n, n / 30), boxes(1, score=score))) for n, score in enumerate(FADING)]
    assert seen == [[1]] * 6


def test_a_track_of_weak_boxes_only_is_not_counted() -> None:
    following = MultiSourceTracker(0.4)
    following(frame("a", 0, 0.0), boxes(0))
    following(frame("a", 1, 0.03), boxes(1))  # without an id until its second box
    assert ids(following(frame("a", 2, 0.07), boxes(1, score=0.3))) == []
    assert following.tracks == 0


@pytest.mark.parametrize(("class_id", "visible"), [(0, [True, True, True]), (1, [False] * 3), (2, [True, False, True])])
def test_a_class_is_returned_above_its_own_threshold(class_id: int, visible: list[bool]) -> None:
    tracker = MultiSourceTracker(0.6, ((0, 0.05), (1, 0.85)))
    assert tracker.detection_threshold == 0.05
    for number, (score, expected) in enumerate(zip((0.8, 0.3, 0.8), visible, strict=True)):
        found = replace(boxes(1, score=score), class_ids=np.array([class_id]))
        assert bool(ids(tracker(frame("a", number, number / 30), found))) == expected
