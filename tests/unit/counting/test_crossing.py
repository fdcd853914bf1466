"""Crossings of a line by drawn paths with known truth."""

import itertools
import random
from fractions import Fraction

import pytest

from detcli.counting.crossing import Crossing
from detcli.counting.geometry import Point

START, END = (2.0, 4.0), (8.0, 4.0)  # to the right: in is upward


def crossings(path: list[Point], start: Point = START, end: Point = END, margin: float = 0.0) -> list[int]:
    crossing = Crossing()
    return [step for step in (crossing.step(point, start, end, margin) for point in path) if step]


def random_path(seed: int, *, grid: bool) -> list[Point]:
    """A walk around the line; on the grid, many of its points are on the line and at its ends."""
    numbers = random.Random(seed)
    point, path = (5.0, 1.0), []
    for _ in range(numbers.randrange(2, 20)):
        if grid:
            point = (point[0] + numbers.randint(-2, 2), point[1] + numbers.randint(-2, 2))
        else:
            point = (point[0] + numbers.gauss(0, 2), point[1] + numbers.gauss(0, 2))
        path.append(point)
    return path


def exact_crossings(path: list[Point], start: Point, end: Point) -> list[int]:
    """Crossings of a path without points on the line, by where each step meets the line, in fractions."""
    (ax, ay), (bx, by) = ((Fraction(x), Fraction(y)) for x, y in (start, end))
    found = []
    for (px, py), (qx, qy) in itertools.pairwise(path):
        p, q = ((bx - ax) * (Fraction(y) - ay) - (by - ay) * (Fraction(x) - ax) for x, y in ((px, py), (qx, qy)))
        if (p > 0) == (q > 0):
            continue
        share = p / (p - q)
        x, y = (
            Fraction(px) + share * (Fraction(qx) - Fraction(px)),
            Fraction(py) + share * (Fraction(qy) - Fraction(py)),
        )
        along = (x - ax) * (bx - ax) + (y - ay) * (by - ay)
        if 0 <= along <= (bx - ax) ** 2 + (by - ay) ** 2:
            found.append(1 if p > 0 else -1)
    return found


def test_crossing_from_right_to_left_is_in() -> None:
    assert crossings([(5, 6), (5, 2)]) == [1], "upward through a line to the right"
    assert crossings([(5, 2), (5, 6)]) == [-1]
    assert crossings([(9, 5), (1, 5)], (5, 0), (5, 9)) == [-1], "to the left through a line downward"
    assert crossings([(5, 6), (5, 2)], END, START) == [-1], "the same line with swapped points"


def test_crossings_are_those_of_exact_geometry() -> None:
    counted = 0
    for seed in range(400):
        path = random_path(seed, grid=False)
        expected = exact_crossings(path, START, END)
        assert crossings(path) == expected
        counted += len(expected)
    assert counted > 200


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("grid", [True, False])
def test_time_backward_swaps_in_and_out(margin: float, grid: bool) -> None:
    for seed in range(300):
        path = random_path(seed, grid=grid)
        backward = [-step for step in crossings(path[::-1], margin=margin)][::-1]
        assert crossings(path, margin=margin) == backward, path


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("grid", [True, False])
def test_swapped_points_swap_in_and_out(margin: float, grid: bool) -> None:
    for seed in range(300):
        path = random_path(seed, grid=grid)
        assert [-step for step in crossings(path, END, START, margin)] == crossings(path, margin=margin), path


@pytest.mark.parametrize("margin", [0.0, 0.7])
def test_in_and_out_alternate_for_paths_that_pass_no_end(margin: float) -> None:
    for seed in range(200):
        steps = crossings(random_path(seed, grid=False), (-999, 4), (999, 4), margin)
        assert all(a != b for a, b in itertools.pairwise(steps))


def test_a_path_around_an_end_of_the_segment_does_not_count() -> None:
    assert crossings([(5, 6), (9, 6), (9, 2), (5, 2)]) == []
    assert crossings([(5, 6), (9, 6), (9, 2), (5, 2), (5, 6)]) == [-1], "out, although it never came in"


def test_a_path_through_an_end_of_the_segment_counts() -> None:
    assert crossings([(8, 5), (8, 3)]) == [1]
    assert crossings([(8, 5), (8, 4), (8, 3)]) == [1], "with a point exactly at the end"
    assert crossings([(7, 5), (9, 3)]) == [1], "diagonally"
    assert crossings([(7.5, 5), (9.5, 3)]) == []


def test_of_two_lines_with_a_common_end_none_is_missed_there() -> None:
    """Both count a path through exactly this point; every other path crosses one of them."""
    for seed in range(300):
        is_on_grid = seed % 2 == 0
        path = random_path(seed, grid=is_on_grid)
        whole = crossings(path, (2, 4), (8, 4))
        parts = crossings(path, (2, 4), (5, 4)) + crossings(path, (5, 4), (8, 4))
        assert len(parts) >= len(whole) if is_on_grid else sorted(parts) == sorted(whole)
    assert crossings([(5, 5), (5, 3)], (2, 4), (5, 4)) == crossings([(5, 5), (5, 3)], (5, 4), (8, 4)) == [1]


def test_touching_the_line_and_going_back_does_not_count() -> None:
    assert crossings([(5, 6), (5, 4), (5, 6)]) == []
    assert crossings([(5, 6), (5, 4), (6, 4), (5, 6)]) == []
    assert crossings([(5, 6), (5, 4), (6, 4), (5, 2)]) == [1], "along the line and over it counts once"


def test_jitter_within_the_margin_does_not_count() -> None:
    numbers = random.Random(0)
    standing = [(5.0, 4 + numbers.uniform(-0.9, 0.9)) for _ in range(200)]
    assert crossings(standing, margin=1.0) == []
    assert len(crossings(standing)) > 50, "without a margin it counts again and again"
    assert crossings([(5, 7), *standing, (5, 7)], margin=1.0) == []
    assert crossings([(5, 7), *standing, (5, 1)], margin=1.0) == [1]


def test_a_path_that_starts_or_ends_within_the_margin_does_not_count() -> None:
    assert crossings([(5, 4.5), (5, 1)], margin=1.0) == []
    assert crossings([(5, 7), (5, 3.5)], margin=1.0) == []


def test_a_long_step_counts_like_many_short_ones() -> None:
    """A track that is lost on one side and found on the other."""
    for seed in range(100):
        numbers = random.Random(seed)
        p, q = ((numbers.uniform(0, 10), numbers.uniform(0, 8)) for _ in range(2))
        steps = [(p[0] + (q[0] - p[0]) * n / 40, p[1] + (q[1] - p[1]) * n / 40) for n in range(41)]
        assert crossings([p, q]) == crossings(steps)
