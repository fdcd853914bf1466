"""Reads one row of a YOLO label file: a box, a box with key points, or a polygon; rows of results are told apart.

class cx cy w h                          a box
class cx cy w h px py [visibility] …     a box with key points: `kpt_shape` of the YAML file says how many
class x y x y x y …                      a polygon: the box around it, and a mask where masks are requested
class cx cy w h score [track id]         results, which are no annotations; also polygons end in a score and a track id
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Corners = tuple[float, float, float, float]

_SLACK = 0.01  # fraction of the image side
_MAX_FRACTION = 1.5  # larger numbers are pixels


class ScoredRowError(ValueError):
    """A row of results: it has a score."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A valid row.

    size              how many numbers it has
    corners           left, top, right and bottom of the box
    may_be_scored     it is read as a triangle, but may be a box with a score and a track id
    may_be_keypoints  it is read as a polygon, but may be a box with key points
    polygon           x, y, x, y, … of a polygon; empty for a box
    """

    class_id: int
    size: int
    corners: Corners
    may_be_scored: bool = False
    may_be_keypoints: bool = False
    polygon: Sequence[float] = ()


def parse_row(text: str, *, keypoints: int | None) -> LabelRow:
    """Read a row.

    keypoints  numbers of a row after its box; 0: rows are polygons; None: unknown

    Raises ScoredRowError for a row of results, and ValueError with the reason for an invalid one.
    """
    words = text.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"not all numbers: {text.strip()[:40]!r}") from None
    if not all(map(math.isfinite, values)):
        raise ValueError("not all numbers are finite")
    if not values[0].is_integer() or abs(values[0]) >= 2**31:
        raise ValueError(f"class {words[0][:20]!r} is not an integer")
    class_id, size = int(values[0]), len(values)
    is_box = size == 5 or bool(keypoints and size == 5 + keypoints)
    if not is_box or size == 7:
        _refuse_scores(values)
    if is_box:
        return LabelRow(class_id, size, _box(values))
    if keypoints:
        raise ValueError(f"{size} numbers; with the 'kpt_shape' of the YAML file a row has {5 + keypoints}")
    if keypoints is None and _has_visibilities(values):
        points = (size - 5) // 3
        raise ValueError(f"{size} numbers, as a box with {points} key points; set 'kpt_shape: [{points}, 3]'")
    if size < 7 or size % 2 == 0:
        raise ValueError(f"{size} numbers, neither a box nor a polygon")
    xs, ys = values[1::2], values[2::2]
    return LabelRow(
        class_id,
        size,
        (min(xs), min(ys), max(xs), max(ys)),
        may_be_scored=size == 7 and words[-1] in ("0", "1") and _is_inside(values),
        may_be_keypoints=_is_inside(values) and _has_points_inside(values),
        polygon=values[1:],
    )


def _box(values: list[float]) -> Corners:
    cx, cy, w, h = values[1:5]
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def _refuse_scores(values: list[float]) -> None:
    """Raise ScoredRowError if a row can only be one of results: a track id is larger than any fraction."""
    if len(values) == 6:
        raise ScoredRowError("6 numbers, as in results with a score; annotations have 5")
    has_id = values[-1] >= 2 and values[-1].is_integer() and max(values[1:-1]) <= _MAX_FRACTION
    if len(values) >= 7 and len(values) % 2 and has_id:
        raise ScoredRowError(f"{len(values)} numbers, as in results with a score and the track id {values[-1]:.0f}")


def _has_visibilities(values: list[float]) -> bool:
    """Whether the numbers after a box are key points x, y and a visibility of 0, 1 or 2."""
    return len(values) >= 8 and (len(values) - 5) % 3 == 0 and all(value in (0, 1, 2) for value in values[7::3])


def _is_inside(values: list[float]) -> bool:
    """Whether the first four numbers are a box inside the image."""
    left, top, right, bottom = _box(values)
    return min(values[3:5]) > 0 and min(left, top) >= -_SLACK and max(right, bottom) <= 1 + _SLACK


def _has_points_inside(values: list[float]) -> bool:
    """Whether all points after a box are inside it; a point that is not visible is 0, 0."""
    left, top, right, bottom = _box(values)
    return all(
        (x == y == 0) or (left - _SLACK <= x <= right + _SLACK and top - _SLACK <= y <= bottom + _SLACK)
        for x, y in zip(values[5::2], values[6::2], strict=True)
    )
