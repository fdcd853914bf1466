"""Shapes are rendered inside their boxes, are visible, and images have the requested size."""

import numpy as np
import numpy.typing as npt
import pytest

from detcli.datasets.shapes import CLASSES, draw
from detcli.datasets.shapes.backgrounds import background
from detcli.datasets.shapes.camera_effects import photograph
from detcli.datasets.shapes.render import cast_shadow, coverage, paint, paint_shape
from detcli.datasets.shapes.scene_layout import SceneLayout, Shape, lay_out
from detcli.datasets.shapes.shape_colors import distance
from detcli.structures.frame import Pixels

LAYOUTS = [lay_out(8, index) for index in range(60)]


def painted(layout: SceneLayout, shape: Shape, canvas: Pixels) -> npt.NDArray[np.float32]:
    """How far each pixel looks from what it was, once the shape is on the canvas."""
    before = canvas.copy()
    paint_shape(canvas, shape, np.random.default_rng(3))
    return distance(canvas.astype(np.float32), before.astype(np.float32))


def test_a_shape_fills_its_box_and_never_exceeds_it() -> None:
    for layout in LAYOUTS:
        for shape in layout.shapes:
            changed = painted(layout, shape, np.full((*layout.size_hw, 3), 128, np.uint8)) > 4
            rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
            seen = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            assert np.allclose(seen, shape.box_xyxy, atol=1.25), CLASSES[shape.class_id]


def test_a_shape_contrasts_with_its_background() -> None:
    for layout in LAYOUTS:
        canvas = background(np.random.default_rng(layout.seed), layout.size_hw)
        for shape in layout.shapes:
            inner = coverage(shape.outline, (slice(0, layout.size_hw[0]), slice(0, layout.size_hw[1]))) == 255
            assert np.median(painted(layout, shape, canvas)[inner]) > 40


def test_coverage_is_the_area_of_the_polygon() -> None:
    triangle = np.array([(3.3, 2.2), (27.1, 6.4), (11.9, 31.7)])
    (ax, ay), (bx, by) = triangle[1] - triangle[0], triangle[2] - triangle[0]
    area = abs(ax * by - ay * bx) / 2
    assert coverage((triangle,), (slice(0, 40), slice(0, 40))).sum() / 255 == pytest.approx(area, rel=0.05)


def test_a_window_has_its_part_of_the_complete_coverage() -> None:
    square = np.array([(5.25, 4.5), (30.5, 9.75), (25.25, 34.5), (1.0, 28.0)])
    whole = coverage((square,), (slice(0, 40), slice(0, 40)))
    part = coverage((square,), (slice(6, 30), slice(10, 33)))
    assert np.abs(part.astype(int) - whole[6:30, 10:33]).max() <= 32  # OpenCV cuts sides at the border, a little off


def test_a_shadow_darkens_and_never_brightens() -> None:
    shape = next(shape for layout in LAYOUTS for shape in layout.shapes if layout.size_hw[0] > 200)
    canvas = np.full((400, 400, 3), 200, np.uint8)
    cast_shadow(canvas, shape, np.random.default_rng(0))
    assert canvas.max() == 200
    assert canvas.min() < 170


@pytest.mark.parametrize("size_hw", [(192, 384), (384, 240), (480, 640), (64, 48)])
def test_an_image_has_the_requested_size(size_hw: tuple[int, int]) -> None:
    for index in range(12):
        pixels, ground_truth = draw(2, index, size_hw=size_hw)
        assert pixels.shape == (*size_hw, 3)
        assert pixels.dtype == np.uint8
        assert (ground_truth.boxes_xyxy[:, 2:] <= size_hw[::-1]).all()


def test_backgrounds_differ() -> None:
    grounds = [background(np.random.default_rng(seed), (200, 260)) for seed in range(60)]
    spreads = np.array([ground.std(axis=(0, 1)).mean() for ground in grounds])
    assert all(ground.shape == (200, 260, 3) and ground.flags.c_contiguous for ground in grounds)
    assert (spreads < 3).any()
    assert (spreads > 25).any()
    assert len({tuple(ground.mean(axis=(0, 1)).round()) for ground in grounds}) > 50


def test_camera_effects_keep_the_scene() -> None:
    scene = background(np.random.default_rng(5), (200, 260))
    scene[60:140, 60:140] = 255 - scene[60:140, 60:140].mean(axis=(0, 1)).astype(np.uint8)
    for seed in range(40):
        image = photograph(scene, np.random.default_rng(seed))
        assert image.shape == scene.shape
        assert image.dtype == np.uint8
        assert np.corrcoef(image.ravel(), scene.ravel())[0, 1] > 0.85


def test_rendering_is_repeatable_and_keeps_the_layout() -> None:
    layout = lay_out(6, 3)
    boxes = layout.ground_truth().boxes_xyxy
    assert np.array_equal(paint(layout), paint(layout))
    assert np.array_equal(layout.ground_truth().boxes_xyxy, boxes)
