"""Points, segments and polygons in pixels: sides of a line, whether segments meet, points in polygons.

x grows to the right and y downward. Every test follows from the sign of `side`, which is exactly opposite for a segment with
swapped ends. So results do not depend on the direction of an edge, and polygons that share an edge share no point.
"""

import math
from collections.abc import Iterator, Sequence

Point = tuple[float, float]
Polygon = tuple[Point, ...]


def side(start: Point, end: Point, point: Point) -> float:
    """Twice the area of the triangle: positive to the right of the way from start to end, as seen on the screen.

    0 on the line, negative to the left.
    """
    if end < start:
        return -side(end, start, point)
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the closed segments ab and cd have a common point; touching with an end is meeting."""
    of_c, of_d = side(a, b, c), side(a, b, d)
    if of_c < 0 < of_d or of_d < 0 < of_c:
        of_a, of_b = side(c, d, a), side(c, d, b)
        return of_a <= 0 <= of_b or of_b <= 0 <= of_a
    touching = ((of_c, c, a, b), (of_d, d, a, b), (side(c, d, a), a, c, d), (side(c, d, b), b, c, d))
    return any(of_point == 0 and _in_box(point, start, end) for of_point, point, start, end in touching)


def edges(polygon: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """The edges, the last one back to the first point."""
    return zip(polygon, (*polygon[1:], polygon[0]), strict=True)


def contains(polygon: Sequence[Point], point: Point) -> bool:
    """Whether the point is in the polygon, which may be concave.

    Points on its upper and left edges are inside, those on its lower and right edges are not: of polygons that share an edge,
    exactly one has a point on it.
    """
    inside = False
    for start, end in edges(polygon):
        if (start[1] > point[1]) != (end[1] > point[1]):
            upper, lower = (start, end) if start[1] < end[1] else (end, start)
            if side(upper, lower, point) > 0:  # the edge is to the right of the point
                inside = not inside
    return inside


def distance_to_segment(point: Point, start: Point, end: Point) -> float:
    """The distance from a point to the nearest point of a segment."""
    along = (end[0] - start[0], end[1] - start[1])
    length = along[0] ** 2 + along[1] ** 2
    share = ((point[0] - start[0]) * along[0] + (point[1] - start[1]) * along[1]) / length if length else 0.0
    share = min(1.0, max(0.0, share))
    return math.hypot(point[0] - start[0] - share * along[0], point[1] - start[1] - share * along[1])


def distance_to_border(polygon: Sequence[Point], point: Point) -> float:
    """The distance from a point to the nearest edge of a polygon."""
    return min(distance_to_segment(point, *edge) for edge in edges(polygon))


def polygon_fault(polygon: Sequence[Point]) -> str | None:
    """What is wrong with a polygon of three points or more, as the end of a sentence; None if nothing is.

    Its edges must meet only at the points that they share, and it must have an area.
    """
    listed = list(edges(polygon))
    area = sum(start[0] * end[1] - end[0] * start[1] for start, end in listed)
    for first, edge in enumerate(listed):
        for second in range(first + 1, len(listed)):
            other = listed[second]
            is_next = second == first + 1 or (first == 0 and second == len(listed) - 1)
            if _turns_back(edge, other) if is_next else segments_meet(*edge, *other):
                return f"crosses itself: its edges {first + 1} and {second + 1} meet"
    return None if area else "has no area"


def meets_box(polygon: Sequence[Point], width: float, height: float) -> bool:
    """Whether a polygon, or a segment as one of two points, has a point in the rectangle from (0, 0) to (width, height)."""
    box = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    if any(_in_box(point, box[0], box[2]) for point in polygon):
        return True
    if any(segments_meet(*edge, *other) for edge in edges(polygon) for other in edges(box)):
        return True
    return contains(polygon, (width / 2, height / 2))


def is_in_box(polygon: Sequence[Point], width: float, height: float) -> bool:
    """Whether all points are in the rectangle from (0, 0) to (width, height)."""
    return all(_in_box(point, (0.0, 0.0), (width, height)) for point in polygon)


def _in_box(point: Point, first: Point, second: Point) -> bool:
    return all(min(a, b) <= p <= max(a, b) for p, a, b in zip(point, first, second, strict=True))


def _turns_back(edge: tuple[Point, Point], following: tuple[Point, Point]) -> bool:
    """Whether two edges with a common point lie on each other."""
    shared = edge[1] if edge[1] in following else edge[0]
    before, after = (next(end for end in one if end != shared) for one in (edge, following))
    forward = (before[0] - shared[0]) * (after[0] - shared[0]) + (before[1] - shared[1]) * (after[1] - shared[1])
    return side(before, shared, after) == 0 and forward > 0
