"""Seconds since the first frame: exact, increasing, and measured by the clock where a stream was lost."""

from fractions import Fraction
from itertools import pairwise

import pytest

from detcli.sources.video.ffmpeg.timestamps import Timeline


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time


def opened(clock: Hands | None = None, *, by_arrival: bool = False) -> Timeline:
    timeline = Timeline(clock or Hands())
    timeline.start_opening(Fraction(1, 90000), Fraction(1, 30), by_arrival=by_arrival, new_clock=True)
    return timeline


def test_times_are_exact_after_days() -> None:
    timeline = opened()
    timeline.time_s(12345)
    assert timeline.time_s(12345 + 90000 * 86400 * 3 + 3003) == 86400 * 3 + 3003 / 90000


def test_frames_without_time_stamps_use_the_frame_rate() -> None:
    timeline = opened()
    assert [timeline.time_s(None) for _ in range(4)] == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30])


def test_time_continues_where_the_clock_is_set_back() -> None:
    timeline = opened()
    times = [timeline.time_s(90000 * stamp) for stamp in (50, 51, 52, 10, 11, 12)]
    assert times == pytest.approx([0, 1, 2, 2 + 1 / 30, 3 + 1 / 30, 4 + 1 / 30])


def test_time_increases_with_equal_or_unordered_time_stamps() -> None:
    timeline = opened()
    times = [timeline.time_s(stamp) for stamp in (0, 3000, 3000, 2000, 9000)]
    assert all(before < after for before, after in pairwise(times))
    assert times[-1] == 0.1


def test_invalid_time_stamps_are_replaced_by_the_arrival() -> None:
    clock = Hands()
    timeline = opened(clock, by_arrival=True)
    times = []
    for pause in (0, 0.2, 1.5):
        clock.time += pause
        timeline.note_arrival()
        times.append(timeline.time_s(7))
    assert times == pytest.approx([0, 0.2, 1.7], abs=2e-3)


def test_the_length_of_a_gap_is_measured_by_the_clock() -> None:
    clock = Hands()
    timeline = opened(clock)
    timeline.time_s(900000)
    timeline.time_s(990000)
    clock.time += 20
    timeline.start_opening(Fraction(1, 1000), None, by_arrival=False, new_clock=True)
    timeline.note_arrival()
    assert timeline.time_s(5) == pytest.approx(21)
    assert timeline.time_s(1005) == pytest.approx(22)


def test_a_gap_starts_with_the_last_packet_not_the_last_frame() -> None:
    clock = Hands()
    timeline = opened(clock)
    timeline.note_arrival()
    clock.time += 10  # of silence, until it counts as lost and the decoder is emptied
    timeline.time_s(0)
    timeline.start_opening(Fraction(1, 90000), None, by_arrival=False, new_clock=True)
    timeline.note_arrival()
    assert timeline.time_s(0) == pytest.approx(10)


def test_the_same_source_opened_again_keeps_its_times() -> None:
    timeline = opened()
    timeline.time_s(900000)
    timeline.time_s(990000)
    timeline.start_opening(Fraction(1, 90000), None, by_arrival=False, new_clock=False)
    timeline.rewind()
    assert [timeline.time_s(stamp) for stamp in (945000, 990000, 1080000)] == [0.5, 1.0, 2.0]


def test_frames_without_time_stamps_keep_their_times_when_read_again() -> None:
    timeline = Timeline(Hands())
    timeline.start_opening(Fraction(1, 1000), Fraction(1, 25), by_arrival=False, new_clock=True)
    first = [timeline.time_s(None) for _ in range(4)]
    timeline.start_opening(Fraction(1, 1000), Fraction(1, 25), by_arrival=False, new_clock=False)
    timeline.rewind()
    assert [timeline.time_s(None) for _ in range(4)] == first == [0.0, 0.04, 0.08, 0.12]


def test_ticks_and_seconds_convert_both_ways() -> None:
    timeline = opened()
    timeline.time_s(4500)
    assert timeline.tick_of(timeline.raw_s(94500)) == 94500
