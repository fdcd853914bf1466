"""The plot of speed and accuracy: every name is readable, inside the axes and close to its point."""

import itertools
import math

import numpy as np
import pytest
from matplotlib.transforms import Bbox

from detcli.evaluation.plots.label_placement import Area, place_labels
from detcli.evaluation.plots.pareto_plot import SpeedPoint, pareto_figure, plot_pareto

AREA = Area(0.0, 0.0, 1000.0, 500.0)


def overlaps(areas: list[Area]) -> float:
    return sum(one.overlap(other) for one, other in itertools.combinations(areas, 2))


def distance(label: Area, point: tuple[float, float]) -> float:
    x, y = point
    return math.hypot(max(label.left - x, 0, x - label.right), max(label.bottom - y, 0, y - label.top))


def is_inside(label: Area) -> bool:
    return label.left >= 0 and label.bottom >= 0 and label.right <= 1000 and label.top <= 500


@pytest.mark.parametrize("seed", range(20))
def test_labels_of_any_points_are_inside_and_apart(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in random.uniform((0, 0), (1000, 500), (25, 2))]
    sizes = [(float(width), 12.0) for width in random.uniform(40, 250, 25)]
    labels = place_labels(points, sizes, AREA)
    assert all(is_inside(label) for label in labels)
    assert overlaps(labels) == 0
    for label, size in zip(labels, sizes, strict=True):
        assert (label.right - label.left, label.top - label.bottom) == pytest.approx(size)
    markers = [Area(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    assert sum(label.overlap(marker) for label in labels for marker in markers) == 0
    assert np.median([distance(label, point) for label, point in zip(labels, points, strict=True)]) < 30


@pytest.mark.parametrize("count", [1, 2, 10, 25])
@pytest.mark.parametrize("place", [(0.0, 0.0), (1000.0, 500.0), (500.0, 250.0)])
def test_labels_of_equal_points_are_apart(place: tuple[float, float], count: int) -> None:
    labels = place_labels([place] * count, [(200.0, 12.0)] * count, AREA)
    assert all(is_inside(label) for label in labels)
    assert overlaps(labels) == 0


def test_a_label_alone_is_beside_its_point() -> None:
    (label,) = place_labels([(100.0, 100.0)], [(80.0, 10.0)], AREA)
    assert (label.left > 100, label.bottom < 100 < label.top) == (True, True)
    (label,) = place_labels([(990.0, 100.0)], [(80.0, 10.0)], AREA)
    assert (label.right < 990, label.bottom < 100 < label.top) == (True, True)


def test_labels_without_room_are_placed_all_the_same() -> None:
    labels = place_labels([(5.0, 5.0)] * 3, [(300.0, 12.0)] * 3, Area(0.0, 0.0, 100.0, 20.0))
    assert [label.left for label in labels] == [0.0] * 3


def many_points() -> list[SpeedPoint]:
    models = (("dfine-n", 0.428, 9.0), ("dfine-s", 0.507, 5.0), ("detr-r50", 0.42, 1.2))
    settings = itertools.product((("torch", 1.0), ("openvino", 1.9)), (("fp32", 1.0), ("bf16", 1.6)), (1, 4))
    cases = itertools.product(models, settings)
    return [
        SpeedPoint(f"{model} {runtime} {precision} batch {batch}", model, speed * a * b * (1 + 0.02 * batch), ap, False)
        for (model, ap, speed), ((runtime, a), (precision, b), batch) in cases
    ]


@pytest.mark.parametrize("count", [1, 6, 24])
@pytest.mark.parametrize("long", ["", " with a long name of settings"])
def test_names_are_inside_the_axes_and_do_not_overlap(count: int, long: str) -> None:
    points = [SpeedPoint(one.name + long, one.group, one.images_per_second, one.ap, True) for one in many_points()]
    figure = pareto_figure(points[:count], "Speed and accuracy")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    texts = axes.texts
    assert sorted(text.get_text() for text in texts) == sorted(one.name for one in points[:count])
    boxes = [text.get_window_extent() for text in texts]
    frame = axes.get_window_extent()
    assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for box in boxes)
    assert all(frame.y0 - 1 <= box.y0 and box.y1 <= frame.y1 + 1 for box in boxes)
    for one, other in itertools.combinations(boxes, 2):
        shared = Bbox.intersection(one, other)
        assert shared is None or min(shared.width, shared.height) < 1


def test_the_plot_is_the_same_bytes_each_time() -> None:
    first, second = (plot_pareto(many_points()[:3], "Speed") for _ in range(2))
    assert first == second
    assert first.startswith(b"\x89PNG")
