"""Limits of the numbers in stored results: larger ones fit into no format, or name more classes than memory holds."""

from collections.abc import Iterator
from pathlib import Path

from detcli.errors import InputError
from detcli.io.results import StoredImage

_LARGEST = 2**62  # of ids and positions
_LARGEST_SIDE = 2**31 - 1
_LARGEST_CLASS = 1_000_000


def check_limits(image: StoredImage, path: Path) -> None:
    """Raise InputError if an id, a position or a size of an image is negative where that makes no sense, or too large."""
    for name, value, least, most in _numbers(image):
        if value is not None and not least <= value <= most:
            shown = str(value) if abs(value) < 10**20 else f"a number of {len(str(value))} digits"
            raise InputError(f"'{path}', {image.position}: {name} is {shown}; it must be from {least:,} to {most:,}")


def _numbers(image: StoredImage) -> Iterator[tuple[str, int | None, int, int]]:
    """Names, values and limits."""
    yield "index", image.index, 0, _LARGEST
    yield "frame", image.frame, 0, _LARGEST
    yield "image_id", image.image_id, -_LARGEST, _LARGEST
    if image.boxes is None:
        return
    if image.size_hw is not None:
        yield "height", image.size_hw[0], 1, _LARGEST_SIDE
        yield "width", image.size_hw[1], 1, _LARGEST_SIDE
    for name, least, most in (
        ("class_id", 0, _LARGEST_CLASS),
        ("category_id", -_LARGEST, _LARGEST),
        ("track_id", -_LARGEST, _LARGEST),
    ):
        values = [value for box in image.boxes if (value := getattr(box, name)) is not None]
        if values:
            shown = "label_id" if name == "class_id" else name
            yield shown, min(values), least, most
            yield shown, max(values), least, most
