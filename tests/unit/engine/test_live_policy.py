"""The live policy: what a run over videos does for low latency and bounded memory."""

import pytest

from detcli.engine.video.live_policy import LivePolicy

FULL_HD, SMALL = (1080, 1920), (240, 320)


def policy(
    *, live: bool, count: int = 1, sizes: list[tuple[int, int]] | None = None, given: bool = False
) -> LivePolicy:
    return LivePolicy.of(live=live, source_count=count, sizes_hw=sizes or [], batch_size=8, batch_size_is_given=given)


@pytest.mark.parametrize(("count", "batch_size"), [(1, 1), (3, 3), (20, 8)])
def test_a_live_batch_holds_one_frame_per_source(count: int, batch_size: int) -> None:
    assert policy(live=True, count=count) == LivePolicy(True, batch_size, 2 * count)


def test_a_batch_size_that_the_user_set_is_kept() -> None:
    assert policy(live=True, given=True).batch_size == 8


def test_frames_of_files_wait_within_a_limit_of_memory() -> None:
    large, small = (policy(live=False, sizes=[size]).frames_in_flight for size in (FULL_HD, SMALL))
    assert large is not None
    assert small is not None
    assert 2 * 8 <= large <= (1 << 29) // (1080 * 1920 * 3)
    assert large < small
    assert policy(live=False, sizes=[SMALL, FULL_HD]).frames_in_flight == large


def test_frames_of_unknown_size_have_the_limit_of_the_pipeline() -> None:
    assert policy(live=False) == LivePolicy(False, 8, None)
