"""What a results file says of one image, the same whichever format it came from.

The command line asks for the formats' names while it writes a help page, so nothing in this folder imports numpy before
a mask is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detcli.io.record_values import Box

if TYPE_CHECKING:
    from detcli.structures.masks import Rle

# Height and width by the name of an image, "/" between its parts.
ImageSizes = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class StoredBox:
    """One detection; at least one of label and category id is known.

    bbox      left, top, width, height in pixels
    mask      at the image's size; None where the file has none, or has it in another form than run lengths
    track_id  number of the object in a video; None where nobody tracked
    """

    label: str | None
    category_id: int | None
    score: float
    bbox: Box
    mask: Rle | None = None
    track_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image and what was found in it.

    place     where it stands in the file, for messages: "line 3"
    file      its name as the file has it, or None where it has only an id
    image_id  its COCO id, or None where the file has only a name
    size_hw   height and width, or None where the file does not say
    boxes     in the file's order; None where the image failed
    error     why it failed, or None
    frame     number in a video; None for images
    whole     no other entry of the file is about the same image; rows of a table may stand in any order
    """

    place: str
    file: str | None
    image_id: int | None
    size_hw: tuple[int, int] | None
    boxes: tuple[StoredBox, ...] | None
    error: str | None = None
    frame: int | None = None
    whole: bool = True
