"""Bands along the edges of a box, as wide as their uncertainty."""

import numpy as np

from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.visualization.draw import draw
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.edge_bands import draw_edge_bands

BOX = np.array([20.0, 30.0, 80.0, 70.0])


def changed(std: list[float], size_hw: tuple[int, int] = (100, 100)) -> np.ndarray:
    canvas = np.full((*size_hw, 3), 100, np.uint8)
    draw_edge_bands(canvas, BOX, np.array(std), (255, 0, 0))
    return (canvas != 100).any(-1)


def test_each_band_is_one_deviation_wide_to_both_sides() -> None:
    marked = changed([1, 2, 3, 4])
    assert np.flatnonzero(marked[50]).tolist() == [19, 20, *range(77, 83)]
    assert np.flatnonzero(marked[:, 50]).tolist() == [*range(28, 32), *range(66, 74)]
    assert not marked[:28].any()
    assert not marked[74:].any()


def test_a_certain_edge_has_no_band() -> None:
    assert not changed([0, 0, 0, 0]).any()


def test_bands_end_at_the_image_and_wide_ones_fill_the_box() -> None:
    marked = changed([1000, 1000, 1000, 1000], (75, 85))
    assert marked.all()


def test_bands_are_drawn_only_where_they_are_asked_for() -> None:
    pixels, labels = np.full((100, 100, 3), 100, np.uint8), ClassLabels.from_names(["cat"])
    found = Detections(BOX[None], [0.9], [0], box_std=[[6.0, 6.0, 6.0, 6.0]])  # type: ignore[arg-type]
    plain, shown = DrawingStyle(), DrawingStyle(show_uncertainty=True)
    without = Detections(BOX[None], [0.9], [0])  # type: ignore[arg-type]
    np.testing.assert_array_equal(draw(pixels, found, labels, plain), draw(pixels, without, labels, plain))
    np.testing.assert_array_equal(draw(pixels, without, labels, shown), draw(pixels, without, labels, plain))
    assert (draw(pixels, found, labels, shown) != draw(pixels, found, labels, plain)).any()
