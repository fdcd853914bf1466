"""Readers of results that `detect` or another program wrote, image by image; every value is checked.

The readers know neither networks nor ground truth: they do not check whether an image or a category exists.
"""

from collections.abc import Iterator
from pathlib import Path

from detcli.errors import UsageError
from detcli.io.results.format_choice import format_of_output, format_of_results
from detcli.io.results.formats import FORMATS, Format
from detcli.io.results.stored import ImageSizes, StoredBox, StoredImage

__all__ = [
    "FORMATS",
    "Format",
    "ImageSizes",
    "StoredBox",
    "StoredImage",
    "format_of_output",
    "format_of_results",
    "read_results",
]


def read_results(
    path: Path, *, format_name: str | None = None, sizes: ImageSizes | None = None
) -> Iterator[StoredImage]:
    """Read the images of a results file or folder, each with its detections.

    JSON Lines and CSV are read one image at a time, in constant memory; COCO is loaded completely.

    format_name  a name of FORMATS that can be read; None: decided by the suffix and the first bytes
    sizes        height and width by file name, "/" between its parts: YOLO boxes are relative to them

    Raises NoDataError if the path is missing, UsageError if its format is unknown, and InputError with file and position for an
    invalid value. Nothing is read before the first image is requested.
    """
    record = FORMATS[format_name or format_of_results(path)]
    reader = record.load_reader()
    if record.needs_image_sizes and sizes is None:
        raise UsageError(f"'{path}': {record.title} boxes are relative to the image size, and no image size is known")
    images: Iterator[StoredImage] = reader(path, sizes) if record.needs_image_sizes else reader(path)
    return images
