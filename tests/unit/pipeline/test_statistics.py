"""What a run counts, what its exit code is, and when it gives up."""

import numpy as np
import pytest

from detcli.errors import TooManyFailuresError
from detcli.pipeline.failure_policy import FailurePolicy
from detcli.pipeline.in_flight import InFlight
from detcli.pipeline.statistics import LatencyStats, RunStats
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize

ORIGIN = Origin(0, "a.png", "a.png", "a")
FRAME = Frame(ORIGIN, (2, 2), np.zeros((2, 2, 3), np.uint8))
FAILED = FailedFrame(ORIGIN, "truncated", "truncated")


def test_results_are_counted_as_images_boxes_and_failures() -> None:
    stats = RunStats()
    stats.add(FRAME, Detections(np.zeros((2, 4)), np.ones(2, np.float32), np.zeros(2, np.int64)))
    stats.add(FRAME, Detections.empty())
    stats.add(FAILED, FAILED)
    stats.add(FRAME, FAILED)
    assert (stats.images, stats.boxes, stats.failed) == (2, 2, 2)


@pytest.mark.parametrize(
    ("stats", "code"),
    [
        (RunStats(images=1), 0),
        (RunStats(images=1, failed=1), 3),
        (RunStats(failed=1), 4),
        (RunStats(), 4),
        (RunStats(skipped=True), 0),
        (RunStats(images=1, interrupted="SIGINT"), 130),
        (RunStats(interrupted="SIGTERM"), 143),
    ],
)
def test_the_exit_code_follows_from_the_counts(stats: RunStats, code: int) -> None:
    assert stats.exit_code == code


def test_latencies_have_a_running_mean_a_mean_and_a_maximum() -> None:
    latency = LatencyStats(0.5)
    assert (latency.recent_s, latency.mean_s, latency.worst_s) == (None, None, 0.0)
    for seconds in (1.0, 3.0, 2.0):
        latency.add(seconds)
    assert (latency.recent_s, latency.mean_s, latency.worst_s) == (2.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [(FailurePolicy(), 1000), (FailurePolicy(strict=True), 0), (FailurePolicy(max_failures=2), 2)],
)
def test_the_policy_accepts_failures_up_to_its_limit(policy: FailurePolicy, accepted: int) -> None:
    policy.check(accepted)
    if policy != FailurePolicy():
        with pytest.raises(TooManyFailuresError):
            policy.check(accepted + 1)


class Item:
    """An image of a source."""

    origin = ORIGIN

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        return FRAME


def test_a_frame_in_flight_drops_its_item_once_it_is_read() -> None:
    entry = InFlight(Item())
    assert entry.read(None) is FRAME
    assert entry.item is None
    with pytest.raises(ValueError, match="read already"):
        entry.read(None)


def test_a_frame_in_flight_has_no_result_before_the_detector_answered() -> None:
    entry = InFlight(Item())
    entry.frame = entry.read(None)
    with pytest.raises(ValueError, match="no detections yet"):
        _ = entry.result
    entry.detections = FAILED
    assert entry.result == (FRAME, FAILED)
