"""One still image that has a place in the input and is read when it is called."""

from collections.abc import Callable
from dataclasses import dataclass

from detcli.errors import ImageError
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
        from detcli.io.images.decode import decode  # listing images needs no decoder

        try:
            decoded = decode(self.read(), max_pixels=self.max_pixels)
            width, height = decoded.image.size
            if resize is not None:
                return Frame(self.origin, (height, width), None, resize(decoded.image), decoded.metadata)
            return Frame(self.origin, (height, width), decoded.pixels, metadata=decoded.metadata)
        except ImageError as error:
            return FailedFrame(self.origin, error.code, str(error))
        except MemoryError:
            return FailedFrame(self.origin, "too-large", "there is not enough memory to read it (MemoryError)")
        except OSError as error:
            return FailedFrame(self.origin, "decode-failed", f"reading failed ({type(error).__name__}: {error})")


@dataclass(frozen=True, slots=True)
class FailedImage:
    """Instead of bytes: why there are none."""

    error: ImageError

    def __call__(self) -> bytes:
        """Raise the error."""
        raise self.error
