"""Reads the shapes of CVAT's XML: boxes, also rotated ones, polygons, ellipses and masks."""

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from detcli.datasets.formats.geometry import NO_BOX, Corners, box_around, ellipse_box, ellipse_outline, rotated_box
from detcli.datasets.instance_masks import MaskUse, Outline, read_outline
from detcli.structures.masks import Rle
from detcli.structures.rle import MAX_PIXELS

OTHER_SHAPES = {
    "polyline": "polyline{s}",
    "points": "set{s} of points",
    "cuboid": "cuboid{s}",
    "skeleton": "skeleton{s}",
    "tag": "tag{s}",
}
SHAPES = ("box", "polygon", "ellipse", "mask")
_SIDES = ("xtl", "ytl", "xbr", "ybr")
FEW_POINTS = "polygon{s} {have} fewer than three valid points"


class NoShapeError(ValueError):
    """A shape that cannot be an object; the message is for any number of shapes, with forms as in `IssueReport.add`."""


def read_shape(element: Element, size_hw: tuple[int, int] | None, *, masks: MaskUse) -> tuple[Corners, Outline | None]:
    """The box around a shape, and its outline; None for a box.

    size_hw  of the image; None: unknown
    masks    also read the pixels of masks; optional ones that cannot be read are left out

    Raises NoShapeError.
    """
    if element.tag == "box":
        left, top, right, bottom = (_number(element, side) for side in _SIDES)
        return rotated_box((left, top, right, bottom), rotation_of(element)), None
    if element.tag == "polygon":
        points = _points(element.get("points", ""))
        outline = read_outline([points])
        if outline is None:
            raise NoShapeError(FEW_POINTS)
        return box_around(points), outline
    if element.tag == "ellipse":
        center = _number(element, "cx"), _number(element, "cy")
        radii, turn = (_number(element, "rx"), _number(element, "ry")), rotation_of(element)
        if not all(math.isfinite(value) for value in (*center, *radii, turn)):
            return NO_BOX, None
        return ellipse_box(center, radii, turn), read_outline([ellipse_outline(center, radii, turn)])
    left, top, width, height = (_number(element, name) for name in ("left", "top", "width", "height"))
    outline = _mask(element, size_hw, (left, top, width, height), masks) if masks else None
    return (left, top, left + width, top + height), outline


def _points(text: str) -> list[float]:
    """The numbers of `x,y;x,y;…`; none if one of them is no number."""
    try:
        pairs = [[float(value) for value in pair.split(",")] for pair in text.split(";") if pair.strip()]
    except ValueError:
        return []
    return [value for pair in pairs for value in pair] if all(len(pair) == 2 for pair in pairs) else []


def _mask(element: Element, size_hw: tuple[int, int] | None, box: Sequence[float], masks: MaskUse) -> Rle | None:
    try:
        return _mask_of_runs(element, size_hw, box)
    except NoShapeError:
        if masks == "optional":
            return None
        raise


def _mask_of_runs(element: Element, size_hw: tuple[int, int] | None, box: Sequence[float]) -> Rle:
    """The mask of runs, row by row, of pixels outside and inside in turn; they cover the box only."""
    try:
        left, top, width, height = (int(value) for value in box)
        runs = np.array([int(run) for run in element.get("rle", "").split(",")], np.int64)
    except (ValueError, OverflowError):
        raise NoShapeError("mask{s} {have} runs that are not numbers") from None
    if size_hw is None or not 0 < size_hw[0] * size_hw[1] <= MAX_PIXELS:
        raise NoShapeError("mask{s} {are} of an image without a valid size")
    inside = left >= 0 and top >= 0 and left + width <= size_hw[1] and top + height <= size_hw[0]
    if not inside or min(width, height) < 1 or (runs < 0).any() or runs.sum() != width * height:
        raise NoShapeError("mask{s} {do} not fit into {its} box or image")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    mask = np.zeros(size_hw, np.bool_)
    mask[top : top + height, left : left + width] = values
    return Rle.of(mask)


def rotation_of(element: Element) -> float:
    """Degrees that a box or an ellipse is turned clockwise; NaN for what is not a number."""
    return _number(element, "rotation") if element.get("rotation") else 0.0


def _number(element: Element, name: str) -> float:
    """The number of an attribute; NaN for anything else."""
    try:
        return float(element.get(name) or "")
    except ValueError:
        return math.nan
