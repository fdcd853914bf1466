"""How much may be in flight: a bound on frames and on the bytes of their pixels, from reading to written."""

import threading

from detcli.structures.frame import FailedFrame, Frame


class InFlightLimit:
    """Lets a frame enter the line, be read, and leave, each when there is room.

    frames    so many may be in flight, read or still to be read
    nbytes    so many bytes of pixels; known once an image is decoded, so each thread that reads may exceed it by one
    at_least  so many frames may be read whatever their bytes: a batch that must be full would wait for ever otherwise
    """

    def __init__(self, *, frames: int, nbytes: int, at_least: int = 1) -> None:
        self._changed = threading.Condition()
        self._most_frames, self._most_bytes, self._at_least = max(frames, at_least), nbytes, at_least
        self._frames = 0
        self._read = 0  # of those, how many are being read or have been
        self._bytes = 0
        self._closed = False

    def enter(self) -> bool:
        """Wait until there is room for one more frame; False once the room is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._frames < self._most_frames)
            self._frames += 1
            return not self._closed

    def begin(self) -> bool:
        """Wait until there is room for the pixels of a frame that has entered; False once the room is closed.

        To be called in the order of the frames, one at a time: the room that a later one took could be what the first
        one waits for.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._read < self._at_least or self._bytes < self._most_bytes
            )
            self._read += 1
            return not self._closed

    def hold(self, frame: Frame | FailedFrame) -> None:
        """Count the pixels of a frame that was read."""
        with self._changed:
            self._bytes += _size(frame)

    def let_go(self, frame: Frame | FailedFrame) -> None:
        """Count pixels no more that were released on the way."""
        with self._changed:
            self._bytes -= _size(frame)
            self._changed.notify_all()

    def leave(self, frame: Frame | FailedFrame) -> None:
        """The frame has arrived."""
        with self._changed:
            self._bytes -= _size(frame)
            self._frames -= 1
            self._read -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Turn away whoever waits or comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _size(frame: Frame | FailedFrame) -> int:
    if isinstance(frame, FailedFrame):
        return 0
    return sum(pixels.nbytes for pixels in (frame.pixels, frame.prepared) if pixels is not None)
