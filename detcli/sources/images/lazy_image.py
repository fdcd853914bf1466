"""One still image that has a place in the input and is read when it is called."""

from collections.abc import Callable
from dataclasses import dataclass

from detcli.errors import ImageError
from detcli.io.images.read_frame import read_frame
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize


@dataclass(frozen=True, slots=True)
class LazyImage:
    """An image of any provenance: where it stands, how its bytes are had, how large it may be.

    read  gives the bytes of the file; raises PictureError, or OSError and MemoryError where the machine gives out
    """

    origin: Origin
    read: Callable[[], bytes]
    max_pixels: int

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Read and decode it; never raises for what is wrong with the image. Safe in any thread.

        resize  where it is given, the frame has the resized pixels alone
        """
        return read_frame(self.origin, self.read, max_pixels=self.max_pixels, resize=resize)


@dataclass(frozen=True, slots=True)
class FailedImage:
    """Instead of bytes: why there are none."""

    error: ImageError

    def __call__(self) -> bytes:
        """Raise the error."""
        raise self.error
