"""Frames in the order of their time: after damage, H.264 decoders give some later than those that come after them."""

import heapq
from collections.abc import Callable, Iterator

import av

_MOST_WAITING = 8  # out of order by more than that they do not come


class FrameReorderer:
    """Holds a frame back while one that is shown before it may still come.

    awaits_before  whether packets went into the decoder whose frames are shown before a time stamp, and did not come
    """

    def __init__(self, awaits_before: Callable[[int], bool]) -> None:
        self._awaits_before = awaits_before
        self._waiting: list[tuple[int, int, av.VideoFrame]] = []
        self._count = 0

    def take(self, pts: int, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """A frame came out of the decoder; gives those whose turn it is."""
        self._count += 1  # frames cannot be compared where time stamps are equal
        heapq.heappush(self._waiting, (pts, self._count, frame))
        while self._waiting and (len(self._waiting) > _MOST_WAITING or not self._awaits_before(self._waiting[0][0])):
            yield heapq.heappop(self._waiting)[2]

    def rest(self) -> Iterator[av.VideoFrame]:
        """Those that wait: no other will come."""
        while self._waiting:
            yield heapq.heappop(self._waiting)[2]

    def forget(self) -> None:
        """Frames begin again somewhere else."""
        self._waiting.clear()
