"""Sides, segments and polygons."""

import itertools
import random

import pytest

from detcli.counting.geometry import Point, contains, distance_to_border, meets_box, polygon_fault, segments_meet, side

SQUARE = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))
CONCAVE = ((0.0, 0.0), (6.0, 0.0), (6.0, 6.0), (3.0, 2.0), (0.0, 6.0))  # a notch from below
GRID = [(float(x), float(y)) for x in range(-1, 8) for y in range(-1, 8)]


def floats(count: int, seed: int = 0) -> list[Point]:
    numbers = random.Random(seed)
    return [(numbers.uniform(-1, 8), numbers.uniform(-1, 8)) for _ in range(count)]


def test_the_side_is_positive_on_the_right_as_seen_on_the_screen() -> None:
    assert side((0, 0), (4, 0), (2, 1)) > 0, "to the right of a line to the right is below it"
    assert side((0, 0), (0, 4), (1, 2)) < 0, "to the left of a line downward is the right of the image"
    assert side((0, 0), (4, 0), (9, 0)) == 0


def test_the_side_is_opposite_for_the_line_with_swapped_ends() -> None:
    for a, b, p in zip(floats(500), floats(500, 1), floats(500, 2), strict=True):
        assert side(a, b, p) == -side(b, a, p)


def test_segments_meet_in_every_order_or_in_none() -> None:
    points = floats(400, 3) + GRID
    numbers = random.Random(4)
    found = set()
    for _ in range(2000):
        a, b, c, d = (numbers.choice(points) for _ in range(4))
        answers = {
            segments_meet(*first, *second)
            for one, two in (((a, b), (c, d)), ((c, d), (a, b)))
            for first in (one, one[::-1])
            for second in (two, two[::-1])
        }
        assert len(answers) == 1, (a, b, c, d)
        found |= answers
    assert found == {True, False}


@pytest.mark.parametrize(
    ("other", "meet"),
    [
        (((2, -1), (2, 1)), True),
        (((2, 0), (2, 5)), True),  # an end on the segment
        (((4, 0), (9, 0)), True),  # end to end
        (((1, 0), (3, 0)), True),  # inside it
        (((5, -1), (5, 1)), False),  # crosses the line beyond the segment
        (((5, 0), (9, 0)), False),  # on the line beyond the segment
        (((0, 1), (4, 1)), False),
    ],
)
def test_only_the_segment_counts_not_its_infinite_line(other: tuple[Point, Point], meet: bool) -> None:
    assert segments_meet((0, 0), (4, 0), *other) == meet


def test_a_notch_of_a_concave_polygon_is_outside() -> None:
    assert contains(CONCAVE, (1, 4))
    assert contains(CONCAVE, (5, 4))
    assert not contains(CONCAVE, (3, 4))
    assert contains(CONCAVE, (3, 1))


def test_the_direction_and_the_first_point_of_a_polygon_do_not_matter() -> None:
    for point in GRID + floats(300, 5):
        turned = [CONCAVE[number:] + CONCAVE[:number] for number in range(5)]
        answers = {contains(polygon, point) for one in turned for polygon in (one, one[::-1])}
        assert len(answers) == 1, point


def test_a_split_polygon_has_each_point_in_exactly_one_part() -> None:
    """Points on the border between the parts, and on their corners, too."""
    cuts = [((0.0, 1.0), (6.0, 4.5)), ((2.0, 0.0), (3.0, 2.0))]
    left = (CONCAVE[0], cuts[1][0], cuts[1][1], CONCAVE[4])
    right = (cuts[1][0], CONCAVE[1], CONCAVE[2], cuts[1][1])
    on_the_cut = [(2 + share / 8, share / 4) for share in range(9)]
    for point in GRID + floats(500, 6) + on_the_cut:
        assert contains(CONCAVE, point) == contains(left, point) + contains(right, point), point


def test_a_grid_of_zones_has_every_point_once() -> None:
    corners = [[(x + 0.1 * y, y - 0.2 * x) for x in range(8)] for y in range(8)]
    zones = [
        (corners[y][x], corners[y][x + 1], corners[y + 1][x + 1], corners[y + 1][x])
        for x, y in itertools.product(range(7), range(7))
    ]
    inner = [corners[y][x] for x in range(1, 7) for y in range(1, 7)]  # each is a corner of four zones
    assert [sum(contains(zone, point) for zone in zones) for point in inner] == [1] * len(inner)


def test_the_distance_to_the_border_is_that_to_the_nearest_edge() -> None:
    assert distance_to_border(SQUARE, (2, 7)) == 3
    assert distance_to_border(SQUARE, (7, 8)) == 5
    assert distance_to_border(SQUARE, (1, 2)) == 1


@pytest.mark.parametrize(
    ("polygon", "fault"),
    [
        (SQUARE, None),
        (CONCAVE, None),
        (SQUARE[::-1], None),
        (((0, 0), (4, 4), (4, 0), (0, 4)), "crosses itself"),
        (((0, 0), (4, 0), (2, 0)), "crosses itself"),
        (((0, 0), (4, 0), (4, 4), (4, 1)), "crosses itself"),  # back along an edge
        (((0, 0), (4, 0), (4, 4), (2, 0), (0, 4)), "crosses itself"),  # a corner on an edge
        (((0, 0), (4, 0), (8, 0)), "crosses itself"),
        (((0, 0), (2, 0), (4, 0), (4, 4)), None),  # a corner in the middle of an edge
    ],
)
def test_a_polygon_must_not_meet_itself(polygon: tuple[Point, ...], fault: str | None) -> None:
    found = polygon_fault(polygon)
    assert found is None if fault is None else found is not None and fault in found


def test_shapes_are_in_a_frame_if_a_part_of_them_is() -> None:
    assert meets_box(((-5, 5), (15, 5)), 10, 10), "both ends are outside"
    assert meets_box(((-5, -5), (15, -5), (15, 15), (-5, 15)), 10, 10), "the frame is inside the zone"
    assert not meets_box(((11, 0), (20, 5)), 10, 10)
    assert not meets_box(((-3, 4), (4, -3.5)), 0.1, 0.1), "the line passes the corner"
