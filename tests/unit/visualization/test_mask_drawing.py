"""Masks on images: translucent inside, an edge around, names that can be read."""

import numpy as np
import pytest

from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.masks import Rle
from detcli.visualization.colors import color
from detcli.visualization.draw import draw
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.label_boxes import text_size

LABELS = ClassLabels(("cat", "dog", "grass"), (1, 2, 3), frozenset({2}))
BARE = DrawingStyle(hide_labels=True)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def rectangle(size_hw: tuple[int, int], left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros(size_hw, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def found(*masks: np.ndarray, class_ids: tuple[int, ...] = (1,)) -> Detections:
    encoded = tuple(Rle.of(mask) for mask in masks)
    boxes = np.array([mask.box_xyxy for mask in encoded], np.float64).reshape(-1, 4)
    return Detections(boxes, np.full(len(masks), 0.93, np.float32), np.array(class_ids, np.int64), encoded)


def changed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one != other).any(axis=2)


def test_masks_are_translucent_and_change_nothing_outside() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    pixels.setflags(write=False)
    mask = rectangle((480, 640), 100, 120, 300, 400)
    drawn = draw(pixels, found(mask), LABELS, BARE)
    inside = drawn[130:390, 110:290].astype(float)
    expected = pixels[130:390, 110:290] * 0.5 + np.array(color(1)) * 0.5
    assert np.abs(inside - expected).max() <= 1
    np.testing.assert_array_equal(drawn[~mask], pixels[~mask])


def test_a_thin_opaque_edge_is_inside_the_mask() -> None:
    drawn = draw(grey(480, 640), found(rectangle((480, 640), 100, 120, 300, 400)), LABELS, BARE)
    for row, column in ((120, 200), (399, 200), (250, 100), (250, 299)):
        assert tuple(drawn[row, column]) == color(1)
    assert tuple(drawn[130, 110]) != color(1)


def test_there_is_no_edge_along_the_image_s_border() -> None:
    drawn = draw(grey(480, 640), found(np.ones((480, 640), np.bool_)), LABELS, BARE)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_a_small_mask_is_visible_on_a_large_one() -> None:
    everything, part = np.ones((48, 64), np.bool_), rectangle((48, 64), 20, 10, 40, 30)
    drawn = draw(grey(48, 64), found(everything, part, class_ids=(1, 0)), LABELS, BARE)
    assert tuple(drawn[10, 30]) == color(0)
    assert tuple(drawn[20, 30]) == tuple(draw(grey(48, 64), found(part, class_ids=(0,)), LABELS, BARE)[20, 30])
    assert tuple(drawn[9, 30]) == color(1), "the other's edge runs around it"


def test_things_of_one_class_have_shades_of_its_color() -> None:
    masks = [rectangle((48, 64), left, 0, left + 16, 48) for left in (0, 16, 32)]
    drawn = draw(grey(48, 64), found(*masks, class_ids=(0, 0, 0)), LABELS, BARE)
    assert len({tuple(drawn[24, column]) for column in (8, 24, 40)}) == 3


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 3), (16, 16), (24, 32), (48, 64), (480, 640), (50, 6000), (6000, 50)])
@pytest.mark.parametrize("count", [1, 40])
def test_images_of_any_shape_can_be_drawn_on(size_hw: tuple[int, int], count: int) -> None:
    owners = np.random.default_rng(0).integers(0, count + 1, size_hw)
    masks = [owners == number for number in range(count)]
    class_ids = tuple(number % 3 for number in range(count))
    drawn = draw(grey(*size_hw), found(*masks, class_ids=class_ids), LABELS)
    assert drawn.shape == (*size_hw, 3)


def test_empty_masks_and_no_masks_do_not_change_the_image() -> None:
    nothing = found(np.zeros((48, 64), np.bool_))
    np.testing.assert_array_equal(draw(grey(48, 64), nothing, LABELS), grey(48, 64))
    np.testing.assert_array_equal(draw(grey(48, 64), found(class_ids=()), LABELS), grey(48, 64))


def tag_of(detections: Detections, size_hw: tuple[int, int]) -> np.ndarray:
    """Where the tag is: what differs from the image without names."""
    return changed(draw(grey(*size_hw), detections, LABELS), draw(grey(*size_hw), detections, LABELS, BARE))


def test_the_label_of_stuff_is_in_its_largest_area() -> None:
    mask = rectangle((480, 640), 0, 300, 640, 480) | rectangle((480, 640), 600, 0, 640, 300)
    rows, columns = np.nonzero(tag_of(found(mask, class_ids=(2,)), (480, 640)))
    assert rows.min() > 300
    assert 330 < rows.mean() < 450
    assert 200 < columns.mean() < 440
    assert mask[rows, columns].all()


def test_the_label_of_a_thing_is_above_it_or_in_the_image() -> None:
    rows, columns = np.nonzero(tag_of(found(rectangle((480, 640), 300, 200, 340, 400)), (480, 640)))
    assert rows.max() == 199
    assert abs(columns.mean() - 320) < 10
    rows, _ = np.nonzero(tag_of(found(rectangle((480, 640), 300, 0, 340, 400)), (480, 640)))
    assert rows.max() - rows.min() + 1 >= text_size((480, 640), 1)


def test_labels_of_masks_do_not_overlap() -> None:
    left, right = rectangle((480, 640), 200, 200, 260, 400), rectangle((480, 640), 262, 200, 320, 400)
    both = found(left, right, np.ones((480, 640), np.bool_), class_ids=(0, 1, 2))
    apart = sum(tag_of(found(mask, class_ids=(number,)), (480, 640)).sum() for number, mask in enumerate((left, right)))
    stuff = tag_of(found(np.ones((480, 640), np.bool_), class_ids=(2,)), (480, 640)).sum()
    assert tag_of(both, (480, 640)).sum() > 0.97 * (apart + stuff)


@pytest.mark.parametrize("size_hw", [(48, 64), (480, 640)])
def test_labels_of_many_segments_leave_most_of_the_image_visible(size_hw: tuple[int, int]) -> None:
    cells = np.arange(150).reshape(10, 15)
    owners = cells.repeat(-(-size_hw[0] // 10), axis=0).repeat(-(-size_hw[1] // 15), axis=1)[: size_hw[0], : size_hw[1]]
    many = found(*(owners == number for number in range(150)), class_ids=tuple(number % 3 for number in range(150)))
    share = tag_of(many, size_hw).mean()
    assert 0.05 < share <= 0.25
