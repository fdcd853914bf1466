"""Counts of drawn sequences with known truth."""

import random

import numpy as np
import pytest

from detcli.counting.count_settings import CountSettings
from detcli.counting.frame_counts import CountEvent, FrameCounts
from detcli.counting.run_counter import RunCounter
from detcli.counting.source_counter import SourceCounter, anchors
from detcli.errors import UsageError
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin

SIZE_HW = (100, 200)
Box = tuple[int, float, float]  # track id, x and y of its bottom center; 20 wide, 40 high


def detections(*boxes: Box, class_id: int = 0, tracks: bool = True) -> Detections:
    corners = np.array([[x - 10, y - 40, x + 10, y] for _, x, y in boxes], np.float64).reshape(-1, 4)
    ids = np.array([number for number, *_ in boxes], np.int64) if tracks else None
    return Detections(corners, np.ones(len(boxes), np.float32), np.full(len(boxes), class_id), track_ids=ids)


def run(
    frames: list[list[Box]], *, times: list[float] | None = None, tracks: bool = True, **settings: object
) -> tuple[list[FrameCounts], list[CountEvent]]:
    """The counts of each frame, a tenth of a second apart, and all events."""
    counter = SourceCounter(CountSettings(**settings), tracks=tracks)  # type: ignore[arg-type]
    counted = [
        counter.update(detections(*boxes, tracks=tracks), SIZE_HW, number / 10 if times is None else times[number])
        for number, boxes in enumerate(frames)
    ]
    return counted, [event for counts in counted for event in counts.events] + list(counter.finish())


def walk(number: int, start: tuple[float, float], end: tuple[float, float], steps: int = 11) -> list[list[Box]]:
    """One track on a straight way."""
    shares = [step / (steps - 1) for step in range(steps)]
    return [[(number, start[0] + s * (end[0] - start[0]), start[1] + s * (end[1] - start[1]))] for s in shares]


def kinds(events: list[CountEvent]) -> list[str]:
    return [event.kind for event in events]


def test_the_anchor_is_where_an_object_stands_or_its_center() -> None:
    boxes = detections((1, 50, 90), (2, 200, 100))
    assert anchors(boxes, "center", SIZE_HW)[0] == (50, 70)
    bottom = anchors(boxes, "bottom-center", SIZE_HW)
    assert bottom[0] == (50, 90)
    assert 199.99 < bottom[1][0] < 200
    assert 99.99 < bottom[1][1] < 100


def test_an_object_cut_by_the_border_is_in_a_zone_up_to_it() -> None:
    counted, _ = run([[(1, 50, 100)]], zones="all=0,0,100%,0,100%,100%,0,100%")
    assert counted[0].zones["all"].present == 1


def test_crossings_are_counted_by_line_and_class() -> None:
    frames = [a + b for a, b in zip(walk(1, (50, 90), (50, 10)), walk(2, (150, 10), (150, 90)), strict=True)]
    counted, events = run(frames, lines=["gate=0,50,200,50", "left=0,50,100,50"])
    gate, left = (counted[-1].lines[name] for name in ("gate", "left"))
    assert (gate.in_count, gate.out_count, left.in_count, left.out_count) == (1, 1, 1, 0)
    assert gate.in_count_per_class == {0: 1}
    assert [(event.kind, event.name, event.track_id) for event in events] == [
        ("in", "gate", 1), ("in", "left", 1), ("out", "gate", 2),
    ]  # fmt: skip


def test_a_track_that_is_lost_at_the_line_and_found_again_counts_once() -> None:
    frames = walk(1, (50, 90), (50, 10))
    frames[4:8] = [[], [], [], []]
    counted, events = run(frames, lines="gate=0,50,200,50")
    assert kinds(events) == ["in"]
    assert [counts.lines["gate"].in_count for counts in counted] == [0] * 8 + [1] * 3


def test_a_new_track_on_the_other_side_does_not_count() -> None:
    frames = walk(1, (50, 90), (50, 60)) + walk(2, (50, 40), (50, 10))
    assert run(frames, lines="gate=0,50,200,50")[1] == []


def test_jitter_within_the_margin_of_the_box_size_does_not_count() -> None:
    numbers = random.Random(0)
    frames = [[(1, 50, 90)], *([(1, 50.0, 50 + numbers.uniform(-2, 2))] for _ in range(100)), [(1, 50, 90)]]
    assert run(frames, lines="gate=0,50,200,50")[1] == [], "a tenth of a box of 20 x 40 is 2.8 pixels"
    assert len(run(frames, lines="gate=0,50,200,50", margin=0)[1]) > 20


def test_lines_in_percent_follow_the_size_of_the_frame() -> None:
    counter = SourceCounter(CountSettings(lines="gate=0,50%,100%,50%"), tracks=True)
    assert counter.update(detections((1, 50, 90)), (100, 200), 0).lines["gate"].points == ((0, 50), (200, 50))
    assert counter.update(detections((1, 50, 90)), (300, 400), 0.1).lines["gate"].points == ((0, 150), (400, 150))


@pytest.mark.parametrize("tracks", [True, False])
def test_objects_in_a_zone_are_those_whose_anchor_is_in_it(tracks: bool) -> None:
    concave = "u=20,20,180,20,180,90,120,90,120,50,80,50,80,90,20,90"
    counted, _ = run([[(1, 50, 80), (2, 100, 80), (3, 150, 80), (4, 100, 30)]], tracks=tracks, zones=concave)
    assert counted[0].zones["u"].present == 3, "the notch is not in the zone"
    assert counted[0].present_per_class == {0: 4}


def test_zones_may_overlap() -> None:
    counted, events = run([[(1, 50, 50)]], zones=["a=0,0,100,0,100,100,0,100", "b=40,40,200,40,200,100,40,100"])
    assert [zone.present for zone in counted[0].zones.values()] == [1, 1]
    assert kinds(events) == ["enter", "enter", "end", "end"]


def test_the_parts_of_a_split_zone_add_up_to_it() -> None:
    numbers = random.Random(1)
    frames = [[(n, numbers.randrange(0, 201), numbers.randrange(40, 101)) for n in range(20)] for _ in range(50)]
    parts = {"upper": "0,0,200,0,200,70,0,40", "lower": "0,40,200,70,200,100,0,100"}
    counted, _ = run(frames, zones=parts | {"whole": "0,0,200,0,200,100,0,100"})
    for counts in counted:
        assert counts.zones["whole"].present == counts.zones["upper"].present + counts.zones["lower"].present == 20


def test_a_visit_lasts_from_entering_to_leaving() -> None:
    _, events = run(walk(1, (10, 50), (110, 50)), zones="yard=45,0,85,0,85,100,45,100")
    assert [(event.kind, event.track_id) for event in events] == [("enter", 1), ("leave", 1)]
    assert events[1].dwell_s == pytest.approx(0.4), "from 50 to 90 pixels, 10 in a tenth of a second"


def test_a_short_loss_does_not_end_a_visit_and_a_long_one_does() -> None:
    zone = "yard=0,0,200,0,200,100,0,100"
    times = [0.0, 0.5, 1.0, 1.4, 1.5]
    _, events = run([[(1, 50, 50)], [], [], [], [(1, 60, 50)]], times=[0.0, 0.3, 0.6, 0.9, 1.0], zones=zone)
    assert [(event.kind, event.dwell_s) for event in events] == [("enter", None), ("end", 1.0)]
    _, events = run([[(1, 50, 50)], [(1, 50, 50)], [], [], [], [(1, 60, 50)]], times=[*times, 2.0], zones=zone)
    assert [(event.kind, event.dwell_s) for event in events] == [
        ("enter", None),
        ("end", 0.5),
        ("enter", None),
        ("end", 0),
    ]


def test_frames_far_apart_do_not_end_a_visit_while_the_track_goes_on() -> None:
    frames = [[(1, 50, 50)]] * 4
    _, events = run(frames, times=[0, 20, 40, 60], zones="yard=0,0,200,0,200,100,0,100")
    assert [(event.kind, event.dwell_s) for event in events] == [("enter", None), ("end", 60)]


def test_jitter_on_the_border_of_a_zone_is_one_visit() -> None:
    numbers = random.Random(0)
    frames = [[(1, 50 + numbers.uniform(-2, 2), 50.0)] for _ in range(100)] + [[(1, 60.0, 50.0)]]
    _, events = run(frames, zones="yard=0,0,50,0,50,100,0,100")
    assert kinds(events) == ["enter", "leave"]


def test_without_tracks_there_are_no_events() -> None:
    _, events = run(walk(1, (10, 50), (110, 50)), tracks=False, zones="yard=45,0,85,0,85,100,45,100")
    assert events == []


def test_tracks_that_are_gone_for_long_are_forgotten() -> None:
    counter = SourceCounter(CountSettings(lines="gate=0,50,200,50"), tracks=True)
    for number in range(1000):
        counter.update(detections((number, 50, 90)), SIZE_HW, number)
    assert len(counter._states) <= 62


def frame(source: str, number: int, *, failed: bool = False) -> Frame | FailedFrame:
    origin = Origin(number, f"{source}.mp4", source, source, number, number / 10, source)
    return FailedFrame(origin, "gap", "lost") if failed else Frame(origin, SIZE_HW, None)


def test_sources_are_counted_separately_and_gaps_are_passed_on() -> None:
    counter = RunCounter(CountSettings(lines="gate=0,50,200,50"), tracks=True)
    for number, boxes in enumerate(walk(1, (50, 90), (50, 10))):
        for source, way in (("a", boxes), ("b", [(1, 50.0, 90.0)])):
            counted = counter(frame(source, number), detections(*way))
            assert isinstance(counted, Frame)
            assert counted.counts is not None
        gap = frame("a", number, failed=True)
        assert counter(gap, gap) is gap
    assert [(one.file, one.into, one.out) for one in counter.totals()] == [("a.mp4", 1, 0), ("b.mp4", 0, 0)]


def test_a_later_source_of_another_size_is_a_warning_and_no_error() -> None:
    counter = RunCounter(CountSettings(lines="gate=0,90,200,90"), tracks=True)
    small = Frame(Origin(1, "b.mp4", "b", "b", 0, 0.0, "b"), (50, 200), None)
    counter(frame("a", 0), detections((1, 50, 50)))
    counted = counter(small, detections((1, 50, 40)))
    assert isinstance(counted, Frame)
    assert counter.take_warnings() == ["the line 'gate' is outside the frames of 'b.mp4', which have 200 x 50 pixels"]
    with pytest.raises(UsageError, match="is outside the frames"):
        RunCounter(CountSettings(lines="gate=0,90,200,90"), tracks=True)(small, detections((1, 50, 40)))
