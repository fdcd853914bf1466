"""Reads the values of COCO entries by one set of rules for training data, ground truth and results."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from detcli.io.coco.coco_reader import integer_id
from detcli.io.record_values import LARGEST_COORDINATE, RecordPosition, shown

if TYPE_CHECKING:
    from detcli.structures.masks import Rle

_MAX_SIDE = 2**31


def entry_ids(position: RecordPosition, entry: Mapping[str, Any]) -> tuple[int, int]:
    """The image id and the category id of an annotation or a result. Raises RecordError unless both are integers."""
    return (
        integer_id(position, entry.get("image_id"), "image_id"),
        integer_id(position, entry.get("category_id"), "category_id"),
    )


def whole_number(value: object) -> int | None:
    """An integer, also one that is written as 3.0; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def has_box(entry: Mapping[str, Any]) -> bool:
    """Whether an entry has a box of its own; null and [] are none."""
    return entry.get("bbox") not in (None, [])


def box_values(entry: Mapping[str, Any]) -> Any:
    """The value of `bbox`, unchecked; without one the box around the mask, or None."""
    return entry["bbox"] if has_box(entry) else box_around(entry.get("segmentation"))


def box_around(segmentation: object) -> list[float] | None:
    """The box x, y, w, h around polygons [[x, y, x, y …], …] or a run-length encoded mask; None for anything else.

    The box of a mask without pixels is four zeros.
    """
    if isinstance(segmentation, dict):
        mask = read_rle(segmentation)
        if mask is None:
            return None
        left, top, right, bottom = mask.box_xyxy
        return [left, top, right - left, bottom - top]
    parts = [part for part in segmentation if isinstance(part, list)] if isinstance(segmentation, list) else []
    values = [value for part in parts for value in part]
    if not values or any(type(value) not in (int, float) for value in values) or any(len(part) % 2 for part in parts):
        return None
    xs, ys = ([value for part in parts for value in part[start::2]] for start in (0, 1))
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def read_rle(segmentation: Mapping[str, Any]) -> "Rle | None":
    """Read `{"size": [height, width], "counts": text or numbers}`; None if it is invalid."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list) or len(size) != 2:
        return None
    size_hw = image_size({"height": size[0], "width": size[1]})
    return None if size_hw is None else _rle(size_hw, counts)


def entry_area(entry: Mapping[str, Any]) -> float | None:
    """The area of an annotation; None unless it is a positive number: then the area of the box counts."""
    area = finite_number(entry.get("area"))
    return area if area > 0 else None


def entry_crowd(position: RecordPosition, entry: Mapping[str, Any]) -> bool:
    """Whether an annotation is a crowd; null is no. Raises RecordError unless `iscrowd` is 0 or 1."""
    value = entry.get("iscrowd")
    if value is not None and (not isinstance(value, int | float) or value not in (0, 1)):
        position.refuse(f"iscrowd must be 0 or 1, not {shown(value)}")
    return bool(value)


def image_size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width of an image; None unless both are integers that an image may have."""
    height, width = (whole_number(image.get(key)) for key in ("height", "width"))
    if height is None or width is None or not (1 <= height < _MAX_SIDE and 1 <= width < _MAX_SIDE):
        return None
    return height, width


def coordinate(value: object) -> float:
    """A coordinate or a side in pixels; NaN for anything else, also for numbers that are larger than any image."""
    number = finite_number(value)
    return number if abs(number) <= LARGEST_COORDINATE else math.nan


def finite_number(value: object) -> float:
    """A finite number; NaN for anything else."""
    if type(value) not in (int, float):
        return math.nan
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _rle(size_hw: tuple[int, int], counts: object) -> "Rle | None":
    from pycocotools import mask as coco

    from detcli.structures.masks import Rle
    from detcli.structures.rle import MAX_PIXELS, check

    height, width = size_hw
    if height * width > MAX_PIXELS:
        return None
    if isinstance(counts, list):
        if any(type(run) is not int or run < 0 for run in counts) or sum(counts) != height * width:
            return None
        packed: Any = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        return Rle(size_hw, packed["counts"].decode("ascii"))
    if not isinstance(counts, str):
        return None
    rle = Rle(size_hw, counts)
    try:
        check(rle)
    except ValueError:
        return None
    return rle
