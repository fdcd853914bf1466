"""Reads one file of LabelMe: its shapes, and the image that is embedded in it."""

import base64
import binascii
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detcli.datasets.formats.geometry import Corners, box_around, ellipse_box, ellipse_outline
from detcli.datasets.formats.number_png import decode_numbers
from detcli.datasets.formats.shape_groups import LabeledShape
from detcli.datasets.instance_masks import MaskUse, Outline, read_outline
from detcli.errors import ImageError
from detcli.io.coco.coco_entries import finite_number, image_size
from detcli.io.documents import DocumentError, parse_json
from detcli.io.read import read_bytes
from detcli.io.record_values import shown
from detcli.structures.masks import Rle
from detcli.structures.rle import MAX_PIXELS

_MAX_BYTES = 1 << 30  # images are embedded
_ROTATED = ("rotation", "oriented_rectangle")
_OTHER = {"line": "line{s}", "linestrip": "line strip{s}", "point": "point{s}", "points": "set{s} of points"}
_NO_CLASSES = ("__ignore__", "_background_")
_FEW_POINTS = {
    "polygon": "polygon{s} {have} fewer than three valid points",
    "rectangle": "rectangle{s} {have} fewer than two valid points",
    "circle": "circle{s} {have} fewer than two valid points",
    "mask": "mask{s} {have} fewer than two valid points",
}


class NoLabelMeError(ValueError):
    """A file that cannot be read; the message is a clause."""


@dataclass(frozen=True, slots=True)
class LabelMeFile:
    """What one file says of its image.

    image_path    None if it is missing
    size_hw       None if it is missing
    has_image     whether the image is embedded
    shapes        those that are objects
    invalid       number and reason of shapes for which the file cannot be used
    dropped       number of each shape that is left out, and the reason with forms as in `IssueReport.add`
    ignored       number of shapes by name, of those that are no objects
    rotated       number of rotated rectangles
    """

    image_path: str | None
    size_hw: tuple[int, int] | None
    has_image: bool
    shapes: tuple[LabeledShape, ...]
    invalid: tuple[tuple[int, str], ...]
    dropped: tuple[tuple[int, str], ...]
    ignored: Mapping[str, int]
    rotated: int


def read_labelme_file(path: Path, *, masks: MaskUse) -> LabelMeFile | None:
    """Read a file; None if it is another JSON document.

    masks  also read the pixels of masks

    Raises NoLabelMeError.
    """
    document = _document(path)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        return None
    size_hw = image_size({"height": document.get("imageHeight"), "width": document.get("imageWidth")})
    shapes: list[LabeledShape] = []
    invalid: list[tuple[int, str]] = []
    dropped: list[tuple[int, str]] = []
    ignored: Counter[str] = Counter()
    rotated = 0
    for number, entry in enumerate(document["shapes"], 1):
        kind: Any = entry.get("shape_type") or "polygon" if isinstance(entry, dict) else None
        label = entry.get("label") if isinstance(entry, dict) else None
        if not isinstance(label, str) or not label.strip():
            invalid.append((number, f"its label is {shown(label)}, not a text" if label != "" else "it has no label"))
        elif label in _NO_CLASSES:
            ignored[f"shape{{s}} with the label '{label}'"] += 1
        elif not isinstance(kind, str) or (kind not in _FEW_POINTS and kind not in _ROTATED):
            ignored[_OTHER.get(str(kind), f"shape{{s}} of the type {shown(kind)}")] += 1
        else:
            rotated += kind in _ROTATED
            found = _shape(kind, entry, size_hw, masks=masks)
            if isinstance(found, str):
                dropped.append((number, found))
            else:
                group = entry.get("group_id")
                shapes.append(
                    LabeledShape(
                        number,
                        label.strip(),
                        *found,
                        crowd=entry.get("difficult") is True,
                        group=None if group is None else str(group),
                    )
                )
    image_path, image_data = document.get("imagePath"), document.get("imageData")
    return LabelMeFile(
        image_path=image_path if isinstance(image_path, str) and image_path else None,
        size_hw=size_hw,
        has_image=isinstance(image_data, str) and bool(image_data),
        shapes=tuple(shapes),
        invalid=tuple(invalid),
        dropped=tuple(dropped),
        ignored=ignored,
        rotated=rotated,
    )


def read_embedded_image(path: Path) -> bytes:
    """The bytes of the image file that is embedded. Raises ImageError."""
    try:
        document = _document(path)
    except NoLabelMeError as error:
        raise ImageError("decode-failed", f"'{path}' cannot be read any more: {error}") from error
    return _from_base64(document.get("imageData") if isinstance(document, dict) else None)


def _document(path: Path) -> Any:
    try:
        return parse_json(read_bytes(path, max_bytes=_MAX_BYTES))
    except ImageError as error:
        raise NoLabelMeError(str(error)) from error
    except DocumentError as error:
        raise NoLabelMeError(f"it is not JSON: {error}") from error


def _from_base64(text: object) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(
            "decode-failed", "the image that is embedded in the annotations is damaged (base64)"
        ) from error


def _shape(
    kind: str, entry: Mapping[str, Any], size_hw: tuple[int, int] | None, *, masks: MaskUse
) -> tuple[Corners, Outline | None] | str:
    """The box and the outline of a shape; why it is left out, as a text, if it cannot be an object."""
    points = list(_points(entry.get("points")))
    if kind == "polygon":
        outline = read_outline([points])
        return _FEW_POINTS[kind] if outline is None else (box_around(points), outline)
    if len(points) < 4:
        return _FEW_POINTS.get(kind, _FEW_POINTS["rectangle"])
    if kind == "circle":
        radius = math.hypot(points[2] - points[0], points[3] - points[1])
        center, radii = (points[0], points[1]), (radius, radius)
        return ellipse_box(center, radii), read_outline([ellipse_outline(center, radii)])
    if kind != "mask":
        return box_around(points), None
    left, top, right, bottom = box_around(points)
    pixels = _pixels(entry.get("mask"), (left, top), size_hw) if masks else None
    if isinstance(pixels, str):
        if masks != "optional":
            return pixels
        pixels = None
    return (left, top, right + 1, bottom + 1), pixels  # the points are the first and the last pixel


def _points(points: object) -> Iterator[float]:
    """The coordinates x, y, x, y …; none if one of them is no finite number."""
    pairs = points if isinstance(points, list) else []
    if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        values = [finite_number(value) for pair in pairs for value in pair]
        yield from values if all(map(math.isfinite, values)) else []


def _pixels(text: object, corner: tuple[float, float], size_hw: tuple[int, int] | None) -> Rle | str:
    """The mask of a PNG whose first pixel is at a corner of the image; why it is left out, if it does not fit."""
    try:
        inner = decode_numbers(_from_base64(text)) > 0
    except ImageError:
        return "mask{s} {are} no valid PNG{s}"
    left, top = round(corner[0]), round(corner[1])
    if size_hw is None or not 0 < size_hw[0] * size_hw[1] <= MAX_PIXELS:
        return "mask{s} {are} of an image without a valid size"
    if min(left, top) < 0 or top + inner.shape[0] > size_hw[0] or left + inner.shape[1] > size_hw[1]:
        return "mask{s} {do} not fit into {its} image"
    mask = np.zeros(size_hw, np.bool_)
    mask[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return Rle.of(mask)
