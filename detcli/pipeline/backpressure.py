"""Back-pressure: a limit on the frames, and on the bytes of their pixels, between source and sinks."""

import threading

from detcli.structures.frame import FailedFrame, Frame


class InFlightLimit:
    """Lets a frame enter the pipeline, be read, and leave, each when the limits allow it.

    frames    so many may be in flight, read or not yet read
    nbytes    so many bytes of pixels. The size is known once an image is decoded, so each reading thread may exceed the
              limit by one image
    at_least  so many frames may be read whatever their bytes: a batch that must be full would wait forever otherwise
    """

    def __init__(self, *, frames: int, nbytes: int, at_least: int = 1) -> None:
        self._changed = threading.Condition()
        self._max_frames, self._max_bytes, self._at_least = max(frames, at_least), nbytes, at_least
        self._frames = 0
        self._read = 0  # frames among them that are being read, or have been
        self._bytes = 0
        self._closed = False

    def enter(self) -> bool:
        """Wait until one more frame may enter; False once the pipeline is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._frames < self._max_frames)
            self._frames += 1
            return not self._closed

    def begin(self) -> bool:
        """Wait until the pixels of a frame that has entered fit; False once the pipeline is closed.

        Call it in the order of the frames, one at a time: the memory that a later frame took could be what the first
        one waits for.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._read < self._at_least or self._bytes < self._max_bytes)
            self._read += 1
            return not self._closed

    def hold(self, frame: Frame | FailedFrame) -> None:
        """Count the pixels of a frame that was read."""
        with self._changed:
            self._bytes += _size(frame)

    def hold_bytes(self, nbytes: int) -> None:
        """Count other bytes of a frame, until `release_bytes`."""
        with self._changed:
            self._bytes += nbytes

    def release(self, frame: Frame | FailedFrame) -> None:
        """Stop counting pixels that were freed before the frame left."""
        self.release_bytes(_size(frame))

    def release_bytes(self, nbytes: int) -> None:
        """Stop counting bytes that were freed before the frame left."""
        with self._changed:
            self._bytes -= nbytes
            self._changed.notify_all()

    def leave(self, frame: Frame | FailedFrame) -> None:
        """The frame was written."""
        with self._changed:
            self._bytes -= _size(frame)
            self._frames -= 1
            self._read -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Refuse every frame that waits or comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _size(frame: Frame | FailedFrame) -> int:
    if isinstance(frame, FailedFrame):
        return 0
    return sum(pixels.nbytes for pixels in (frame.pixels, frame.prepared, frame.bands) if pixels is not None)
