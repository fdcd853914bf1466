"""Boxes are the extent of the masks; sizes, numbers and overlaps are as documented."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageChops, ImageDraw

from detcli.datasets.shapes.outlines import OUTLINES, Outline
from detcli.datasets.shapes.scene_layout import (
    CLASSES,
    LARGEST,
    MAX_SHAPES,
    MIN_VISIBLE,
    SMALLEST,
    SceneLayout,
    clipped_extent,
    lay_out,
)

LAYOUTS = [lay_out(21, index) for index in range(300)]


def mask_of(outline: Outline, size_hw: tuple[int, int], fine: int) -> npt.NDArray[np.bool_]:
    """By Pillow, which the drawing does not use, with `fine` pixels for the side of one: [fine * H, fine * W]."""
    masks = []
    for polygon in outline:
        mask = Image.new("1", (size_hw[1] * fine, size_hw[0] * fine))
        ImageDraw.Draw(mask).polygon([tuple(point) for point in (polygon * fine - 0.5).tolist()], fill=1)
        masks.append(mask)
    whole = masks[0]
    for mask in masks[1:]:
        whole = ImageChops.logical_xor(whole, mask)
    return np.asarray(whole)


def extent_of(mask: npt.NDArray[np.bool_], fine: int) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0] / fine, rows[0] / fine, (columns[-1] + 1) / fine, (rows[-1] + 1) / fine


def test_boxes_are_the_extents_of_the_masks() -> None:
    for layout in LAYOUTS[:100]:
        for shape in layout.shapes:
            assert np.allclose(shape.box_xyxy, extent_of(mask_of(shape.outline, layout.size_hw, 4), 4), atol=0.6)


@pytest.mark.parametrize("name", CLASSES)
def test_the_box_of_a_clipped_shape_is_the_extent_of_the_visible_part(name: str) -> None:
    rng, cut = np.random.default_rng(4), 0
    for corner in itertools.product((0, 90), (0, 60)):
        for _ in range(12):
            polygons = OUTLINES[name](rng)
            scale, angle = 50 / np.ptp(polygons[0], axis=0).max(), rng.uniform(0, 2 * np.pi)
            turn = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
            center = corner + rng.uniform(-22, 22, 2)
            outline = tuple(polygon @ turn + center for polygon in polygons)
            mask, box = mask_of(outline, (60, 90), 16), clipped_extent(outline, (60, 90))
            if mask.sum() > 20 * 16**2:
                cut += 1
                assert box is not None
                assert np.allclose(box, extent_of(mask, 16), atol=0.4)
    assert cut > 20


def test_the_box_of_a_shape_around_the_image_is_the_image() -> None:
    assert clipped_extent((np.array([(-9.0, -9.0), (99.0, -9.0), (99.0, 99.0), (-9.0, 99.0)]),), (40, 50)) == (
        0,
        0,
        50,
        40,
    )


def test_a_hole_at_the_corner_excludes_the_corner_from_the_box() -> None:
    around = np.array([(-30.0, -30.0), (30.0, -30.0), (30.0, 30.0), (-30.0, 30.0)])
    assert clipped_extent((around, around / 3), (40, 50)) == (0, 0, 30, 30)  # the shape reaches both edges next to it
    notched = np.array([(-9.0, 20.0), (20.0, -9.0), (30.0, 20.0), (20.0, 30.0)])  # its longest side cuts the corner off
    assert clipped_extent((notched,), (40, 50)) == (0, 0, 30, 30)
    high = np.array([(-10.0, 20.0), (25.0, -50.0), (25.0, 20.0)])  # enters through the top edge at x = 0 exactly
    assert clipped_extent((high,), (40, 50)) == (0, 0, 25, 20)


def test_a_shape_outside_has_no_box() -> None:
    beside = np.array([(-30.0, 5.0), (-10.0, 5.0), (-10.0, 25.0)])
    diagonal = np.array([(-30.0, 20.0), (20.0, -30.0), (-30.0, -30.0)])  # its extent meets the image's, it does not
    assert clipped_extent((beside,), (40, 50)) is None
    assert clipped_extent((diagonal,), (40, 50)) is None


def test_every_shape_is_visible_enough() -> None:
    for layout in LAYOUTS[:120]:
        for share in visible_shares(layout):
            assert share > MIN_VISIBLE - 0.05  # the layout counts coarse cells


def visible_shares(layout: SceneLayout) -> list[float]:
    """Of each shape, the share of its whole area that lies in the image and under no other shape."""
    top = np.zeros((2 * layout.size_hw[0], 2 * layout.size_hw[1]), np.uint8)
    for number, shape in enumerate(layout.shapes, start=1):
        top[mask_of(shape.outline, layout.size_hw, 2)] = number
    seen = np.bincount(top.ravel(), minlength=len(layout.shapes) + 1)[1:] / 4
    return [cells / area(shape.outline) for cells, shape in zip(seen, layout.shapes, strict=True)]


def area(outline: Outline) -> float:
    """By the shoelace formula; a second polygon is a hole."""
    x_y = [(polygon, np.roll(polygon, -1, axis=0)) for polygon in outline]
    whole, *holes = (abs((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / 2 for a, b in x_y)
    return float(whole - sum(holes))


def test_some_shapes_overlap_and_some_are_clipped() -> None:
    shares = np.array([share for layout in LAYOUTS[:60] for share in visible_shares(layout)])
    assert 0.03 < (shares < 0.8).mean() < 0.4
    boxes = [(shape.box_xyxy, layout.size_hw) for layout in LAYOUTS for shape in layout.shapes]
    cut = np.mean([box[0] == 0 or box[1] == 0 or box[2] == size[1] or box[3] == size[0] for box, size in boxes])
    assert 0.03 < cut < 0.3


def test_sizes_of_shapes_are_within_the_documented_range() -> None:
    sizes = np.array([
        np.ptp(shape.outline[0], axis=0).max() / min(layout.size_hw) for layout in LAYOUTS for shape in layout.shapes
    ])  # fmt: skip
    assert sizes.min() >= SMALLEST - 1e-9
    assert sizes.max() <= LARGEST + 1e-9
    assert (sizes < 0.2).mean() > 0.3
    assert (sizes > 0.4).mean() > 0.08


def test_numbers_of_shapes_are_within_the_documented_range() -> None:
    counts = [len(layout.shapes) for layout in LAYOUTS]
    assert set(counts) == {*range(MAX_SHAPES + 1)}
    assert 4 < np.mean(counts) < 5.5
    assert 0.01 < counts.count(0) / len(counts) < 0.08


def test_all_classes_are_equally_frequent() -> None:
    counts = np.bincount([shape.class_id for layout in LAYOUTS for shape in layout.shapes], minlength=len(CLASSES))
    assert len(CLASSES) >= 8
    assert counts.min() > 0.7 * counts.mean()


def test_images_are_portrait_and_landscape_of_many_sizes() -> None:
    sizes = np.array([layout.size_hw for layout in LAYOUTS])
    assert sizes.min() >= 192
    assert sizes.max() <= 384
    assert (sizes[:, 0] > sizes[:, 1]).any()
    assert (sizes[:, 0] < sizes[:, 1]).any()
    assert len({tuple(size) for size in sizes.tolist()}) > 250


def test_a_layout_fits_any_requested_size() -> None:
    layouts = [lay_out(21, index, (480, 640)) for index in range(30)]
    assert {layout.size_hw for layout in layouts} == {(480, 640)}
    boxes = np.concatenate([layout.ground_truth().boxes_xyxy for layout in layouts])
    assert boxes[:, 2].max() > 600
    assert (np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])).max() > 200


def test_boxes_lie_within_the_image_and_have_an_area() -> None:
    for layout in LAYOUTS:
        boxes = layout.ground_truth().boxes_xyxy
        assert (boxes >= 0).all()
        assert (boxes[:, 2:] <= layout.size_hw[::-1]).all()
        assert (boxes[:, 2:] - boxes[:, :2] > 5).all()
