"""Sorts frames by time: after damage, H.264 decoders return some of them too late."""

import heapq
from collections.abc import Callable, Iterator

import av

_MAX_WAITING = 8  # frames are never later than this


class FrameReorderer:
    """Holds a frame back while an earlier one may still come.

    expects_frame_before  whether the decoder still has to return a frame before a time stamp
    """

    def __init__(self, expects_frame_before: Callable[[int], bool]) -> None:
        self._expects_frame_before = expects_frame_before
        self._waiting: list[tuple[int, int, av.VideoFrame]] = []
        self._count = 0

    def add(self, pts: int, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Add a frame of the decoder; returns the frames that are next."""
        self._count += 1  # frames with equal time stamps cannot be compared
        heapq.heappush(self._waiting, (pts, self._count, frame))
        while self._waiting and (
            len(self._waiting) > _MAX_WAITING or not self._expects_frame_before(self._waiting[0][0])
        ):
            yield heapq.heappop(self._waiting)[2]

    def drain(self) -> Iterator[av.VideoFrame]:
        """The frames held back at the end."""
        while self._waiting:
            yield heapq.heappop(self._waiting)[2]

    def reset(self) -> None:
        """The decoder restarts at another position."""
        self._waiting.clear()
