"""Which frames are taken."""

import pytest

from detcli.sources.video.frame_sampler import FrameSampler
from detcli.sources.video.video_source import VideoSettings

TIMES = [number / 30 for number in range(90)]  # three seconds


def taken(settings: VideoSettings, times: list[float] = TIMES) -> list[int]:
    choice, found = FrameSampler(settings), []
    for number, time_s in enumerate(times):
        if choice.is_over(time_s):
            break
        if choice.takes(time_s):
            found.append(number)
    return found


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        (VideoSettings(), list(range(90))),
        (VideoSettings(stride=40), [0, 40, 80]),
        (VideoSettings(fps=10), list(range(0, 90, 3))),
        (VideoSettings(start_s=2, max_frames=2), [60, 61]),
        (VideoSettings(start_s=1, duration_s=0.1), [30, 31, 32]),
        (VideoSettings(start_s=1, stride=20, duration_s=1), [30, 50]),
        (VideoSettings(max_frames=0), []),
        (VideoSettings(start_s=9), []),
    ],
)
def test_the_sampler_takes_the_expected_frames(settings: VideoSettings, numbers: list[int]) -> None:
    assert taken(settings) == numbers


def test_fps_above_the_rate_of_the_source_skips_no_frame() -> None:
    assert taken(VideoSettings(fps=60)) == list(range(90))


def test_fps_is_measured_in_time_not_in_frames() -> None:
    times = [0.0, 0.1, 0.9, 1.0, 1.05, 5.0, 5.1, 6.0]
    assert taken(VideoSettings(fps=1), times) == [0, 3, 5, 7]
