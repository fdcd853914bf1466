"""One function turns bytes into a frame, and every failure of an image into a failed frame."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from detcli.errors import ImageError
from detcli.io.images.read_frame import read_frame
from detcli.structures.frame import FailedFrame, Frame, Origin, Pixels, ReducedResize

ORIGIN = Origin(3, "in/a.png", "a.png", "a")


def png(width: int = 6, height: int = 4) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (10, 20, 30)).save(file, "PNG")
    return file.getvalue()


def raising(error: Exception) -> Callable[[], bytes]:
    def read() -> bytes:
        raise error

    return read


def test_an_image_becomes_a_frame_with_pixels_and_metadata() -> None:
    frame = read_frame(ORIGIN, png)
    assert isinstance(frame, Frame)
    assert (frame.origin, frame.size_hw) == (ORIGIN, (4, 6))
    assert frame.pixels is not None
    assert frame.pixels.tolist() == [[[10, 20, 30]] * 6] * 4
    assert frame.metadata is not None
    assert frame.metadata.format == "PNG"


def test_with_resize_the_frame_has_the_resized_pixels_only() -> None:
    frame = read_frame(ORIGIN, png, resize=lambda image: np.asarray(image.resize((2, 1))))
    assert isinstance(frame, Frame)
    assert frame.pixels is None
    assert frame.prepared is not None
    assert (frame.size_hw, frame.prepared.shape) == ((4, 6), (1, 2, 3))


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ImageError("empty", "an empty file"), "empty", "an empty file"),
        (MemoryError(), "too-large", "there is not enough memory to read it (MemoryError)"),
        (OSError("disk"), "decode-failed", "reading failed (OSError: disk)"),
    ],
)
def test_a_failure_to_read_becomes_a_failed_frame(error: Exception, code: str, message: str) -> None:
    frame = read_frame(ORIGIN, raising(error))
    assert frame == FailedFrame(ORIGIN, code, message)  # type: ignore[arg-type]


def test_more_pixels_than_the_limit_become_a_failed_frame() -> None:
    frame = read_frame(ORIGIN, png, max_pixels=23)
    assert isinstance(frame, FailedFrame)
    assert frame.code == "too-large"


def test_a_bug_is_not_hidden_in_a_failed_frame() -> None:
    with pytest.raises(ZeroDivisionError):
        read_frame(ORIGIN, raising(ZeroDivisionError()))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_may_be_decoded_at_a_fraction_of_its_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", (400, 240), (200, 30, 60)).save(file, "JPEG", exif=exif)
    sizes: list[tuple[int, int]] = []

    def resize(image: Image.Image) -> Pixels:
        sizes.append(image.size)
        return np.asarray(image.resize((4, 4)))

    frame = read_frame(Origin(0, "a.jpg", "a.jpg", "a"), file.getvalue, resize=ReducedResize(resize, 50))
    assert isinstance(frame, Frame)
    assert frame.size_hw == ((240, 400) if orientation == 1 else (400, 240))
    assert sizes == [(100, 60) if orientation == 1 else (60, 100)]
    assert frame.prepared is not None
    assert np.abs(frame.prepared.astype(int) - [200, 30, 60]).max() < 5
