"""Converts time stamps to seconds since the first frame: exact and strictly increasing."""

from fractions import Fraction
from typing import Final, Protocol

_JUMP_S: Final = Fraction(1)  # a larger step back means that the clock was set again
_STEP_S: Final = Fraction(1, 1000)  # between two frames with the same time stamp


class FrameClock(Protocol):
    """The real time in seconds; only differences have a meaning."""

    def now(self) -> float: ...  # noqa: D102


class Timeline:
    """Times of the frames of one source, over all its openings.

    clock  used for the times where `by_arrival`, and for the length of gaps
    """

    def __init__(self, clock: FrameClock) -> None:
        self._clock = clock
        self._base = Fraction(1)
        self._first: int | None = None
        self._offset = Fraction(0)  # seconds of the first time stamp
        self._interval = Fraction(0)
        self._by_arrival = False
        self._arrived = 0.0  # time of the last frame's arrival
        self._heard = clock.now()
        self._last: Fraction | None = None

    @property
    def heard(self) -> float:
        """Time of the last packet's arrival, by the clock."""
        return self._heard

    @property
    def begun(self) -> bool:
        """Whether this opening has returned a frame."""
        return self._first is not None

    @property
    def last_s(self) -> float:
        """Time of the last frame; 0 before the first one."""
        return float(self._last or 0)

    @property
    def last_stamp_s(self) -> float:
        """The same by the source's clock, which may not start with the first frame."""
        return float((self._last or 0) - self._offset + (self._first or 0) * self._base)

    @property
    def interval_s(self) -> float:
        """Seconds between the last two frames, or by the source's header."""
        return float(self._interval)

    def start_opening(self, base: Fraction, interval: Fraction | None, *, by_arrival: bool, new_clock: bool) -> None:
        """Start an opening of the source.

        base        seconds per tick
        interval    seconds between frames, where the source reports it
        by_arrival  its time stamps are invalid: the time of arrival counts
        again        its time stamps do not continue the earlier ones: `clock` measures the gap
        """
        self._base, self._by_arrival = base, by_arrival
        self._interval = interval if interval is not None else self._interval
        if new_clock:
            self._first = None

    def note_arrival(self) -> None:
        """A packet arrived now: the time of the frames decoded next, also of those that the decoder returns later."""
        self._heard = self._clock.now()

    def rewind(self) -> None:
        """The frames so far are decoded again."""
        self._last = None if self._first is not None else self._last

    def restore(self, last_s: float | None) -> None:
        """Go back to the frame of this time, the last one of an earlier opening."""
        self._last = None if last_s is None else Fraction(last_s)

    def time_s(self, pts: int | None) -> float:
        """Seconds of the next frame; later than the one before."""
        now = self._heard
        if self._first is None:
            self._first = pts if pts is not None else 0
            if self._last is not None:
                self._offset = self._last + Fraction(max(now - self._arrived, 0.001))
            time = self._offset
        elif self._by_arrival and self._last is not None:
            time = self._last + Fraction(max(now - self._arrived, 0.0))
        elif pts is None:
            time = self._offset if self._last is None else self._last + (self._interval or _STEP_S)
        else:
            time = self._seconds(pts)
        if self._last is not None and time <= self._last:
            if self._last - time > _JUMP_S:
                self._offset += self._last - time + (self._interval or _STEP_S)
                time = self._last + (self._interval or _STEP_S)
            else:
                time = self._last + _STEP_S
        self._last, self._arrived = time, now
        return float(time)

    def raw_s(self, pts: int) -> float:
        """Seconds of a time stamp."""
        return float(self._seconds(pts))

    def shown_s(self, pts: int) -> float:
        """Seconds of a time stamp for messages: 0 at least."""
        return max(self.raw_s(pts), 0.0)

    def tick_of(self, time_s: float) -> int:
        """The time stamp of a time."""
        return int((Fraction(time_s) - self._offset) / self._base) + (self._first or 0)

    def _seconds(self, pts: int) -> Fraction:
        return (pts - (self._first or 0)) * self._base + self._offset
