"""An image of the input that is read when it is called."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from detcli.errors import ImageError
from detcli.io.images.read_frame import read_frame
from detcli.sources.source import Prefetchable
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize


@dataclass(frozen=True, slots=True)
class LazyImage:
    """An image that is not read yet: its origin, how to read its bytes, and its pixel limit.

    read  returns the bytes of the file; raises ImageError, OSError or MemoryError
    """

    origin: Origin
    read: Callable[[], bytes]
    max_pixels: int

    def prefetch(self) -> None:
        """Request its first bytes, where it is in an object store."""
        if isinstance(self.read, Prefetchable):
            self.read.prefetch()

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Read and decode it; returns a FailedFrame for an image that cannot be read. Works in any thread.

        resize  where it is given, the frame has the resized pixels only
        """
        return read_frame(self.origin, self.read, max_pixels=self.max_pixels, resize=resize)

    def with_bytes(self) -> "LazyImage":
        """Read its bytes now and return an image that has them, for a process that could not read them."""
        try:
            read: Callable[[], bytes] = partial(bytes, self.read())
        except (ImageError, OSError, MemoryError) as error:
            read = FailedImage(error)
        return replace(self, read=read)


@dataclass(frozen=True, slots=True)
class FailedImage:
    """A reader that raises an error: the image is known to be unreadable."""

    error: ImageError | OSError | MemoryError

    def __call__(self) -> bytes:
        """Raise the error."""
        raise self.error
