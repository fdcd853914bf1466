"""How much may be in flight: a bound on frames and on the bytes of their pixels, from reading to written."""

import threading

from detcli.values.frame import Frame, Unreadable


class Room:
    """Lets a frame enter when there is room, and makes room when it leaves.

    frames    so many may be in flight
    nbytes    so many bytes of pixels; counted once a picture is decoded, so the last one may exceed it
    at_least  so many frames may enter whatever their bytes: a batch that must be full would wait for ever otherwise
    """

    def __init__(self, *, frames: int, nbytes: int, at_least: int = 1) -> None:
        self._changed = threading.Condition()
        self._most_frames, self._most_bytes, self._at_least = max(frames, at_least), nbytes, at_least
        self._frames = 0
        self._bytes = 0
        self._closed = False

    def enter(self) -> bool:
        """Wait until there is room for one more frame; False once the room is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room())
            self._frames += 1
            return not self._closed

    def hold(self, frame: Frame | Unreadable) -> None:
        """Count the pixels of a frame that has entered."""
        with self._changed:
            self._bytes += _size(frame)

    def let_go(self, frame: Frame | Unreadable) -> None:
        """Count pixels no more that were released on the way."""
        with self._changed:
            self._bytes -= _size(frame)
            self._changed.notify()

    def leave(self, frame: Frame | Unreadable) -> None:
        """The frame has arrived."""
        with self._changed:
            self._bytes -= _size(frame)
            self._frames -= 1
            self._changed.notify()

    def close(self) -> None:
        """Turn away whoever waits or comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        if self._frames < self._at_least:
            return True
        return self._frames < self._most_frames and self._bytes < self._most_bytes


def _size(frame: Frame | Unreadable) -> int:
    if isinstance(frame, Unreadable):
        return 0
    return sum(pixels.nbytes for pixels in (frame.pixels, frame.prepared) if pixels is not None)
