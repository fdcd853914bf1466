"""The images that an int8 export takes the ranges of numbers from."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.engine.requests.export_request import MIN_CALIBRATION_IMAGES, ExportObserver
from detcli.errors import ImageError, InputError
from detcli.structures.frame import FailedFrame, Frame

if TYPE_CHECKING:
    from PIL import Image

    from detcli.sources.source import SourceItem
    from detcli.structures.frame import Pixels


def calibration_images(given: Path, count: int) -> tuple[str, ...]:
    """At most `count` images of a folder, a file or a glob, spread evenly over all of them.

    Raises InputError where there are too few; the images are not read.
    """
    from detcli.sources.source import SourceSettings, make_source

    items = list(make_source((str(given),), SourceSettings()))
    if len(items) < MIN_CALIBRATION_IMAGES:
        raise _too_few(given, _readable(items))
    count = min(count, len(items))
    return tuple(items[position * len(items) // count].origin.file for position in range(count))


def read_calibration_images(
    given: Path, images: tuple[str, ...], resize: "Callable[[Image.Image], Pixels]", observer: ExportObserver
) -> list[Frame]:
    """Read the images, each in the input size of the network only. Raises InputError where too few can be read."""
    from detcli.inference.images.image_inputs import read_image

    frames = []
    for index, image in enumerate(images):
        try:
            frames.append(read_image(image, index, resize=resize))
        except ImageError as error:
            observer.on_warning(f"{error}; not used for calibration")
    if len(frames) < MIN_CALIBRATION_IMAGES:
        raise _too_few(given, len(frames))
    return frames


def _readable(items: "list[SourceItem]") -> int:
    """How many of a few images can be read."""
    return sum(not isinstance(item(), FailedFrame) for item in items)


def _too_few(given: Path, readable: int) -> InputError:
    found = f"'{given}' has {readable or 'no'} readable image{'' if readable == 1 else 's'}"
    return InputError(f"{found}: calibration (`calibrate`) needs at least {MIN_CALIBRATION_IMAGES}, better hundreds")
