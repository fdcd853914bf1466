"""Places for the labels of points in a plot: inside an area, close to their points, without overlaps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_GAP = 9.0  # between the center of a point and its label
_STEP = 1.1  # of label heights, between two rows of labels


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle; y points upward."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Area") -> float:
        """The area of the intersection."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def place_labels(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], area: Area, *, marker: float = 12.0
) -> list[Area]:
    """Return where each label goes, in the order of the points.

    points  x, y
    sizes   width and height of each label, in the unit of the points
    area    all labels are inside it; one that is larger starts at its left edge
    marker  width and height of the points

    A label that fits nowhere goes where it covers least of the others.
    """
    half = marker / 2
    taken = [Area(x - half, y - half, x + half, y + half) for x, y in points]
    placed = []
    for point, size in zip(points, sizes, strict=True):
        best, least = None, float("inf")
        for candidate in _candidates(point, size, area):
            covered = sum(candidate.overlap(other) for other in taken)
            if covered < least:
                best, least = candidate, covered
            if covered == 0:
                break
        label = _inside(*point, size, area) if best is None else best
        placed.append(label)
        taken.append(label)
    return placed


def _candidates(point: tuple[float, float], size: tuple[float, float], area: Area) -> Iterator[Area]:
    """Right and left of the point, then in the rows above and below it, the nearest first."""
    (x, y), (width, height) = point, size
    rows = int((area.top - area.bottom) / (height * _STEP)) + 1
    for row in range(rows):
        for shift in {row: None, -row: None}:
            bottom = y - height / 2 + shift * height * _STEP
            for left in (x + _GAP, x - _GAP - width, *([x - width / 2] if row else [])):
                found = _inside(left, bottom, size, area)
                if row or left == found.left:  # in the row of the point, a moved label would cover it
                    yield found


def _inside(left: float, bottom: float, size: tuple[float, float], area: Area) -> Area:
    """The rectangle of this size, moved into the area."""
    width, height = size
    left = max(area.left, min(left, area.right - width))
    bottom = max(area.bottom, min(bottom, area.top - height))
    return Area(left, bottom, left + width, bottom + height)
