"""The rows of counts by intervals of time."""

import random
from collections import Counter

from detcli.counting.count_rows import CountRow, CountRows
from detcli.counting.count_settings import CountSettings
from detcli.counting.source_counter import SourceCounter
from tests.unit.counting.test_source_counter import SIZE_HW, Box, detections

LINE, ZONE = "gate=0,60,200,60", "yard=0,0,100,0,100,100,0,100"


def table(
    frames: list[list[Box]], times: list[float], bin_s: float, *, tracks: bool = True
) -> tuple[list[CountRow], Counter[str]]:
    """The rows, and the number of events of each kind."""
    settings = CountSettings(lines=LINE if tracks else (), zones=ZONE)
    counter, rows = SourceCounter(settings, tracks=tracks), CountRows(bin_s, tracks=tracks)
    found: list[CountRow] = []
    events: Counter[str] = Counter()
    for boxes, time_s in zip(frames, times, strict=True):
        counts = counter.update(detections(*boxes, tracks=tracks), SIZE_HW, time_s)
        events.update(event.kind for event in counts.events)
        found += rows.add(counts, time_s)
    ends = counter.finish()
    events.update(event.kind for event in ends)
    return found + rows.finish(ends), events


def random_frames(count: int) -> list[list[Box]]:
    numbers = random.Random(0)
    places = {number: [numbers.uniform(0, 200), numbers.uniform(40, 100)] for number in range(5)}
    frames = []
    for _ in range(count):
        for place in places.values():
            place[:] = [
                min(200, max(0, place[0] + numbers.gauss(0, 15))),
                min(100, max(40, place[1] + numbers.gauss(0, 8))),
            ]
        frames.append([(number, *place) for number, place in places.items() if numbers.random() < 0.9])
    return frames


def test_each_interval_has_rows_for_frame_line_and_zone() -> None:
    frames: list[list[Box]] = [[(1, 50, 90)], [(1, 50, 90), (2, 150, 90)], [(1, 50, 30)], [(1, 150, 30)]]
    rows, _ = table(frames, [0, 0.5, 1, 1.5], 1.0)
    totals = [row for row in rows if row.class_id is None]
    assert [(row.start_s, row.end_s, row.frames, row.kind, row.name) for row in totals] == [
        (start, start + 1, 2, kind, name)
        for start in (0, 1)
        for kind, name in (("frame", ""), ("line", "gate"), ("zone", "yard"))
    ]
    assert [row.values for row in totals] == [
        {"present": 2, "maximum": 2, "mean": 1.5},
        {"in": 0, "out": 0},
        {"present": 1, "maximum": 1, "mean": 1, "entered": 1, "left": 0, "ended": 0, "dwell_mean_s": None, "dwell_max_s": None},
        {"present": 1, "maximum": 1, "mean": 1},
        {"in": 1, "out": 0},
        {"present": 0, "maximum": 1, "mean": 0.5, "entered": 0, "left": 1, "ended": 0, "dwell_mean_s": 1.5, "dwell_max_s": 1.5},
    ]  # fmt: skip


def test_the_rows_of_all_intervals_add_up_to_the_events() -> None:
    frames = random_frames(300)
    for bin_s in (0.1, 1.0, 7.0, 1000.0):
        rows, events = table(frames, [number / 10 for number in range(300)], bin_s)
        totals = [row for row in rows if row.class_id is None]
        columns = {"in": "in", "out": "out", "enter": "entered", "leave": "left", "end": "ended"}
        summed = {kind: sum(row.values.get(column) or 0 for row in totals) for kind, column in columns.items()}
        assert summed == {kind: events[kind] for kind in columns}
        assert sum(row.frames for row in totals if row.kind == "frame") == 300
        assert events["in"] > 5
        assert events["enter"] == events["leave"] + events["end"] > 5


def test_class_rows_add_up_to_the_row_of_all_classes() -> None:
    rows, _ = table(random_frames(100), [number / 10 for number in range(100)], 1.0)
    for column in ("in", "out", "present", "entered", "left", "ended"):
        of_all = [row.values.get(column) or 0 for row in rows if row.class_id is None]
        of_classes = [row.values.get(column) or 0 for row in rows if row.class_id is not None]
        assert sum(of_all) == sum(of_classes)


def test_an_interval_without_frames_has_no_rows() -> None:
    rows, _ = table([[(1, 50, 90)], [(1, 50, 90)]], [0, 600], 60.0)
    assert sorted({(row.start_s, row.end_s) for row in rows}) == [(0, 60), (600, 660)]


def test_an_interval_without_objects_has_rows_of_zeros() -> None:
    rows, _ = table([[], []], [0, 1], 1.0)
    assert len(rows) == 6
    assert all(row.class_id is None and not any(row.values.values()) for row in rows)


def test_times_that_are_not_exact_are_in_their_interval() -> None:
    rows, _ = table([[]] * 10, [number / 10 for number in range(10)], 0.1)
    assert sorted({row.start_s for row in rows}) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_without_tracks_there_are_no_columns_of_visits() -> None:
    rows, _ = table([[(1, 50, 90)]], [0], 1.0, tracks=False)
    assert {column for row in rows for column in row.values} == {"present", "maximum", "mean"}
