"""Converts one region of Label Studio to a box, and to the outline of a mask: rectangles, ellipses, polygons and brushes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detcli.datasets.formats.geometry import Corners, box_around, ellipse_box, ellipse_outline
from detcli.datasets.formats.label_studio.brush_masks import decode_brush
from detcli.datasets.instance_masks import Outline, read_outline
from detcli.io.coco.coco_entries import finite_number

_SIDES = ("x", "y", "width", "height")
_GEOMETRIES = (("rle",), ("points",), ("radiusX", "radiusY"), ("width", "height"))


@dataclass(frozen=True, slots=True)
class LabeledRegion:
    """A labeled region, in pixels of the image that was annotated.

    labels      names of its classes
    corners     NaN for what is not a number
    is_rotated  a rectangle or an ellipse that is rotated: its box is the box around it
    outline     source of its mask; None for one that is only a box
    """

    labels: tuple[str, ...]
    corners: Corners
    is_rotated: bool = False
    outline: Outline | None = None


class RegionError(ValueError):
    """A region that is left out; the message is a part of a sentence about any number of regions."""


def read_region(value: Mapping[str, Any], size_hw: tuple[int, int] | None, *, masks: bool) -> LabeledRegion | None:
    """Read the `value` of a result; None if it has no geometry of an object, such as the choice of a class.

    size_hw  of the image; None if it is unknown
    masks    keep the outlines of polygons, ellipses and brushes

    Raises RegionError.
    """
    labels = region_labels(value)
    if not any({*keys} <= value.keys() for keys in _GEOMETRIES):
        return None
    if size_hw is None:
        raise RegionError("object{s} {have} no original_width and original_height, which percents need")
    if "rle" in value:
        mask = decode_brush(value["rle"], size_hw)
        if mask is None:
            raise RegionError("brush mask{s} {are} damaged or of another size")
        return LabeledRegion(labels, mask.box_xyxy, outline=mask if masks else None)
    if "points" in value:
        return _polygon(labels, value["points"], size_hw, masks=masks)
    if "radiusX" in value:
        return _ellipse(labels, value, size_hw, masks=masks)
    return _rectangle(labels, value, size_hw)


def region_labels(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the classes in the `value` of a result."""
    lists = (value[key] for key in value if key.endswith("labels") and isinstance(value[key], list))
    return tuple(name for name in next(lists, []) if isinstance(name, str) and name.strip())


def _polygon(labels: tuple[str, ...], points: object, size_hw: tuple[int, int], *, masks: bool) -> LabeledRegion:
    pairs = points if isinstance(points, list) else []
    if any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
        raise RegionError("polygon{s} {have} points that are not two numbers")
    flat = [
        finite_number(number) / 100 * size for pair in pairs for number, size in zip(pair, size_hw[::-1], strict=True)
    ]
    if any(map(math.isnan, flat)):
        raise RegionError("polygon{s} {have} points that are not two numbers")
    if len(set(zip(flat[::2], flat[1::2], strict=True))) < 3:
        raise RegionError("polygon{s} {have} fewer than three different points")
    return LabeledRegion(labels, box_around(flat), outline=read_outline([flat]) if masks else None)


def _rectangle(labels: tuple[str, ...], value: Mapping[str, Any], size_hw: tuple[int, int]) -> LabeledRegion:
    """A rectangle, which is rotated clockwise around its first corner."""
    x, y, w, h = (finite_number(value.get(side)) / 100 for side in _SIDES)
    x, y, w, h = x * size_hw[1], y * size_hw[0], w * size_hw[1], h * size_hw[0]
    angle = _angle(value)
    if not angle:
        return LabeledRegion(labels, (x, y, x + w, y + h))
    sin, cos = math.sin(angle), math.cos(angle)
    corners = [(x + dx * cos - dy * sin, y + dx * sin + dy * cos) for dx in (0, w) for dy in (0, h)]
    return LabeledRegion(labels, box_around([number for corner in corners for number in corner]), is_rotated=True)


def _ellipse(
    labels: tuple[str, ...], value: Mapping[str, Any], size_hw: tuple[int, int], *, masks: bool
) -> LabeledRegion:
    """An ellipse, which is rotated clockwise around its center."""
    x, y, across, down = (finite_number(value.get(name)) / 100 for name in ("x", "y", "radiusX", "radiusY"))
    center, radii = (x * size_hw[1], y * size_hw[0]), (across * size_hw[1], down * size_hw[0])
    degrees = math.degrees(_angle(value))
    outline = read_outline([ellipse_outline(center, radii, degrees)]) if masks else None
    return LabeledRegion(labels, ellipse_box(center, radii, degrees), is_rotated=bool(degrees), outline=outline)


def _angle(value: Mapping[str, Any]) -> float:
    """In radians; 0 for none."""
    degrees = finite_number(value.get("rotation", 0) or 0)
    return 0.0 if math.isnan(degrees) or degrees % 360 == 0 else math.radians(degrees)
