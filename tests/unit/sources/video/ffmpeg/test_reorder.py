"""Frames are sorted by time, whatever the order of the decoder."""

from collections.abc import Iterable

import av
import pytest

from detcli.sources.video.ffmpeg.reorder import FrameReorderer


def frame(pts: int) -> av.VideoFrame:
    made = av.VideoFrame(16, 16, "gray")
    made.pts = pts
    return made


def pass_all(awaited: set[int], came: Iterable[int]) -> list[list[int | None]]:
    """For each frame that comes, whose turn it is; at last, what was left."""

    def expects_frame_before(pts: int) -> bool:
        return any(other < pts for other in awaited)

    order, turns = FrameReorderer(expects_frame_before), []
    for pts in came:
        awaited.discard(pts)
        turns.append([one.pts for one in order.add(pts, frame(pts))])
    return [*turns, [one.pts for one in order.drain()]]


def test_frames_in_order_pass_at_once() -> None:
    assert pass_all({0, 1, 2}, [0, 1, 2]) == [[0], [1], [2], []]


def test_a_frame_waits_for_an_earlier_one() -> None:
    assert pass_all({36, 37, 47, 48}, [36, 47, 37, 48]) == [[36], [], [37, 47], [48], []]


def test_the_number_of_waiting_frames_is_limited() -> None:
    turns = pass_all({0, *range(5, 40)}, range(5, 40))
    assert turns[:8] == [[]] * 8
    assert [pts for turn in turns for pts in turn] == list(range(5, 40))


@pytest.mark.parametrize("came", [[3, 1, 2], [2, 3, 1]])
def test_the_rest_is_in_order_at_the_end(came: list[int]) -> None:
    assert pass_all({0, 1, 2, 3}, came)[-1] == [1, 2, 3]
