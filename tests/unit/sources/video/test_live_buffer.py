"""Frames that wait too long are dropped, the oldest first; gaps never are."""

import threading
import time
from collections.abc import Callable

import pytest

from detcli.errors import SourceError
from detcli.sources.video.live_buffer import LiveBuffer
from tests.helpers.fake_video_sources import FakeVideoSource, fake_frame, gap


def until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread."""
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.002)


def numbers(live: LiveBuffer) -> list[int | None]:
    return [image.origin.frame for image in live]


def test_a_slow_reader_gets_the_newest_frame_and_drops_are_counted() -> None:
    steps = threading.Semaphore(5)
    live = LiveBuffer(FakeVideoSource([fake_frame(number) for number in range(6)], steps=steps))
    live.start()
    until(lambda: live.dropped == 4)
    taken = live.take()
    assert taken is not None
    assert taken[0].origin.frame == 4
    steps.release()
    assert numbers(live) == [5]
    assert live.dropped == 4


def test_a_fast_reader_gets_every_frame() -> None:
    steps = threading.Semaphore(0)
    live = LiveBuffer(FakeVideoSource([fake_frame(number) for number in range(20)], steps=steps))
    live.start()
    taken = []
    for _ in range(20):
        steps.release()
        image = live.take()
        assert image is not None
        taken.append(image[0].origin.frame)
    assert taken == list(range(20))
    assert live.take() is None
    assert live.dropped == 0


def test_gaps_are_never_dropped() -> None:
    source = FakeVideoSource([fake_frame(0), gap(1), fake_frame(1), gap(2), fake_frame(2)])
    live = LiveBuffer(source)
    live.start()
    until(lambda: source.read_count == 5 and live.dropped == 2)
    kinds = [(type(image).__name__, image.origin.frame) for image in live]
    assert kinds == [("StreamGap", 1), ("StreamGap", 2), ("FakeFrame", 2)]


def test_only_returned_frames_count_towards_the_limit() -> None:
    steps = threading.Semaphore(3)
    live = LiveBuffer(FakeVideoSource([fake_frame(number) for number in range(9)], steps=steps), max_frames=2)
    live.start()
    until(lambda: live.dropped == 2)
    assert (first := live.take()) is not None
    assert first[0].origin.frame == 2
    steps.release()
    assert numbers(live) == [3]


def test_closing_ends_a_wait() -> None:
    source = FakeVideoSource([fake_frame(0)], steps=threading.Semaphore(0))
    live = LiveBuffer(source)
    found: list[object] = []
    waiter = threading.Thread(target=lambda: found.append(live.take()))
    live.start()
    waiter.start()
    live.close()
    waiter.join(20)
    assert found == [None]
    assert source.closed.is_set()


def test_an_error_is_raised_after_the_last_frame() -> None:
    live = LiveBuffer(FakeVideoSource([fake_frame(0)], error=SourceError("gap", "the stream is gone")))
    live.start()
    assert live.take() is not None
    with pytest.raises(SourceError, match="the stream is gone"):
        live.take()


def test_a_paced_source_keeps_its_time_stamps() -> None:
    live = LiveBuffer(FakeVideoSource([fake_frame(0), fake_frame(1), fake_frame(2)]), paced=True)
    begun = time.monotonic()
    assert numbers(live) == [0, 1, 2]
    assert time.monotonic() - begun >= 0.2
