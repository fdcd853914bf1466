"""Results that were read back, in one form for all formats.

Nothing in this folder imports numpy before a mask is read, because help pages list the formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from detcli.errors import IMAGE_ERROR_CODES
from detcli.io.record_values import Box

if TYPE_CHECKING:
    from detcli.structures.masks import Rle

# Height and width by the name of an image, "/" between its parts.
ImageSizes = Mapping[str, tuple[int, int]]


class StoredBox(NamedTuple):
    """One detection; its label, its category id or both are known. Files have millions, and a tuple is made the fastest.

    bbox      left, top, width, height in pixels
    mask      mask of the size of the image; None if the file has none, or none in run-length encoding
    track_id  number of the object in a video; None without tracking
    box_std   standard deviation of left, top, right and bottom in pixels; None if the file has none
    class_id  index of the class in the model's labels; None if the file has only the other two
    is_thing  False: of an uncountable class, as panoptic segments have them; None: unknown
    corners   left, top, right, bottom, of files that have them instead of width and height
    """

    label: str | None
    category_id: int | None
    score: float
    bbox: Box
    mask: Rle | None = None
    track_id: int | None = None
    box_std: Box | None = None
    class_id: int | None = None
    is_thing: bool | None = None
    corners: Box | None = None


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image and its detections.

    position  position in the file, for messages: "line 3"
    file      name of the image, or None if the file has only an id
    image_id  COCO id, or None if the file has only a name
    size_hw   height and width in pixels, or None if the file does not have them
    boxes     in the order of the file; None if the image failed
    error     reason of the failure, or None
    frame     frame number in a video; None for images
    complete  no other entry of the file belongs to the same image; rows of a CSV file may be in any order
    index     position in the input of the run, from 0; None if the file does not have it
    time_s    seconds since the first frame of a video; None for images
    code      kind of the failure, a name of `errors.ImageErrorCode`; None if the file does not have it
    """

    position: str
    file: str | None
    image_id: int | None
    size_hw: tuple[int, int] | None
    boxes: tuple[StoredBox, ...] | None
    error: str | None = None
    frame: int | None = None
    complete: bool = True
    index: int | None = None
    time_s: float | None = None
    code: str | None = None


def known_code(value: object) -> str | None:
    """The code of a failure if it is one of `errors.ImageErrorCode`; None for every other value."""
    return value if isinstance(value, str) and value in IMAGE_ERROR_CODES else None
