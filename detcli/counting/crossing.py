"""Whether a track crosses a line: its segment, from one side to the other, with a margin against jitter on the line."""

from detcli.counting.geometry import Point, segments_meet, side


class Crossing:
    """Follows one track at one line.

    A track is on a side when it is further from the line than the margin. It crosses when it gets to the other side, and its
    path from the one to the other has crossed the segment in that direction. Jitter within the margin therefore counts once or
    not at all, and a path around an end of the segment does not count. Played backward, each crossing is one of the opposite
    direction.
    """

    __slots__ = ("_last", "_met", "_net", "_side", "_strict")

    def __init__(self) -> None:
        self._last: Point | None = None
        self._side = 0  # the last side beyond the margin: 1 right, -1 left, 0 none yet
        self._strict = 0  # the last side without a margin
        self._met = False  # the path has met the segment since then
        self._net = 0  # crossings of the segment since the last side beyond the margin

    def step(self, point: Point, start: Point, end: Point, margin: float) -> int:
        """Move to the next point of the track: 1 if it crosses in (from right to left), -1 if out, else 0.

        margin  in pixels
        """
        value = side(start, end, point)
        now = (value > 0) - (value < 0)
        self._cross(point, start, end, now)
        self._last = point
        if not now or not _is_beyond(point, start, end, value, margin):
            return 0
        crossed = now if self._side == -now and self._net * now > 0 else 0
        self._side, self._net = now, 0
        return -crossed

    def _cross(self, point: Point, start: Point, end: Point, now: int) -> None:
        """Note whether the path crosses the segment with this step."""
        if self._last is not None and self._strict and now != self._strict:
            self._met = self._met or segments_meet(self._last, point, start, end)
            if now and self._met:
                self._net += now
        if now:
            self._strict, self._met = now, False


def _is_beyond(point: Point, start: Point, end: Point, value: float, margin: float) -> bool:
    """Whether a point beside the line is further from it than the margin."""
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    return margin <= 0 or abs(value) > margin * length
