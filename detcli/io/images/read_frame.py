"""Bytes of an image file -> a `Frame`, or a `FailedFrame` with the reason."""

from collections.abc import Callable

from detcli.errors import ImageError
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from detcli.structures.frame import BandedResize, FailedFrame, Frame, Origin, ReducedResize, Resize


def read_frame(
    origin: Origin,
    read: Callable[[], bytes],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    resize: Resize | None = None,
) -> Frame | FailedFrame:
    """Read and decode one image; an image that cannot be read becomes a FailedFrame. Safe in any thread.

    read        returns the bytes of the file; raises ImageError, OSError or MemoryError
    max_pixels  an image with more pixels is refused before it is decoded
    resize      the frame then has only the pixels that this function returns, or only bands of rows
    """
    from detcli.io.images.decode import decode  # listing images needs no decoder
    from detcli.io.images.tiff_bands import open_bands

    try:
        data = read()
        if isinstance(resize, BandedResize):
            bands = open_bands(data, max_pixels=max_pixels)
            if bands is not None and resize.takes_bands(bands.size_hw):
                return Frame(origin, bands.size_hw, None, bands=bands)
        least_side = resize.least_side if isinstance(resize, ReducedResize) else None
        decoded = decode(data, max_pixels=max_pixels, least_side=least_side)
        if resize is not None:
            return Frame(origin, decoded.size_hw, None, resize(decoded.image), decoded.metadata)
        return Frame(origin, decoded.size_hw, decoded.pixels, metadata=decoded.metadata)
    except ImageError as error:
        return FailedFrame(origin, error.code, str(error))
    except MemoryError:
        return FailedFrame(origin, "too-large", "there is not enough memory to read it (MemoryError)")
    except OSError as error:
        return FailedFrame(origin, "decode-failed", f"reading failed ({type(error).__name__}: {error})")
