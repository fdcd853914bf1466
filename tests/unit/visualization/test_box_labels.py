"""Labels of boxes: on small images they become shorter or disappear instead of covering each other or the objects."""

from itertools import combinations

import numpy as np
import pytest

from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Pixels
from detcli.structures.masks import Rle
from detcli.visualization.box_labels import SMALL_SIDE, Placed, fit_labels, label_variants, place_labels
from detcli.visualization.colors import color
from detcli.visualization.draw import draw
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.label_boxes import MIN_TEXT_SIZE, label_image, text_size
from detcli.visualization.text_renderer import text_renderer

NAMES = ("person", "traffic light", "dog")


def boxes(count: int, size_hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    height, width = size_hw
    corners = random.uniform((0, 0), (0.7 * width, 0.7 * height), (count, 2))
    return np.concatenate((corners, corners + random.uniform(0.08, 0.3, (count, 2)) * (width, height)), axis=1)


def fitted(count: int, size_hw: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, list[Placed | None]]:
    each = boxes(count, size_hw, seed)
    areas = (each[:, 2:] - each[:, :2]).prod(axis=1).tolist()
    variants = [
        [*label_variants(NAMES[n % 3], "0.87", (200, 0, 0), size=10, box_area=area, renderer=text_renderer(None))]
        for n, area in enumerate(areas)
    ]
    return each, fit_labels(size_hw, each, variants, 1)


def rectangle(placed: Placed) -> tuple[int, int, int, int]:
    image, (left, top) = placed
    return left, top, left + image.shape[1], top + image.shape[0]


def shared(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


@pytest.mark.parametrize("size_hw", [(96, 128), (240, 320), (320, 240), (384, 384)])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_labels_of_small_images_cover_neither_labels_nor_objects(size_hw: tuple[int, int], count: int) -> None:
    for seed in range(3):
        each, placed = fitted(count, size_hw, seed)
        rectangles = [rectangle(label) for label in placed if label is not None]
        assert rectangles, "at least the first box has a label"
        for left, top, right, bottom in rectangles:
            assert 0 <= left < right <= size_hw[1]
            assert 0 <= top < bottom <= size_hw[0]
        assert all(shared(one, other) == 0 for one, other in combinations(rectangles, 2))
        for box in each.tolist():
            area = (box[2] - box[0]) * (box[3] - box[1])
            assert max(shared(label, tuple(box)) for label in rectangles) <= 0.36 * area


def test_a_single_box_of_a_small_image_has_name_and_score() -> None:
    renderer = text_renderer(None)
    variants = [*label_variants("dog", "0.93", (9, 9, 9), size=10, box_area=120 * 90, renderer=renderer)]
    [placed] = fit_labels((240, 320), np.array([[100.0, 80, 220, 170]]), [variants], 1)
    assert placed is not None
    assert np.array_equal(placed[0], label_image("dog", "0.93", 10, (9, 9, 9), renderer))
    assert placed[1] == (100, 80 - len(placed[0])), "above the box"


def test_a_small_box_has_a_label_without_score_in_small_letters() -> None:
    renderer = text_renderer(None)
    first, *others = label_variants("person", "0.93", (9, 9, 9), size=10, box_area=30 * 30, renderer=renderer)
    assert np.array_equal(first, label_image("person", "", MIN_TEXT_SIZE, (9, 9, 9), renderer))
    assert [image.shape for image in others] == [
        label_image("per…", "", MIN_TEXT_SIZE, (9, 9, 9), renderer).shape,
    ]


def test_where_no_variant_fits_there_is_no_label() -> None:
    label = np.zeros((10, 30, 3), np.uint8)
    covered = np.array([[0.0, 0, 32, 12]])
    assert fit_labels((12, 32), covered, [[label]], 1) == [None]
    assert fit_labels((9, 20), covered, [[label]], 1) == [None]
    assert fit_labels((40, 40), np.empty((0, 4)), [], 1) == []


def detections(size_hw: tuple[int, int], *, masks: bool = False) -> Detections:
    each = boxes(6, size_hw)
    rles = None
    if masks:
        rles = []
        for left, top, right, bottom in each.round().astype(int).tolist():
            mask = np.zeros(size_hw, np.bool_)
            mask[top:bottom, left:right] = True
            rles.append(Rle.of(mask))
    scores = np.linspace(0.9, 0.4, 6, dtype=np.float32)
    return Detections(each, scores, np.arange(6) % 3, masks=None if rles is None else tuple(rles))


def label_pixels(size_hw: tuple[int, int], *, masks: bool = False) -> int:
    labels, found = ClassLabels.from_names(list(NAMES)), detections(size_hw, masks=masks)
    gray = np.full((*size_hw, 3), 90, np.uint8)
    bare = draw(gray, found, labels, DrawingStyle(hide_labels=True))
    return int((draw(gray, found, labels) != bare).any(axis=2).sum())


@pytest.mark.parametrize("masks", [False, True])
def test_labels_take_a_limited_part_of_a_small_image(masks: bool) -> None:
    for size_hw in ((72, 96), (120, 160), (240, 320)):
        assert 0 < label_pixels(size_hw, masks=masks) <= 0.26 * size_hw[0] * size_hw[1]


def test_on_large_images_labels_are_placed_as_before() -> None:
    size_hw = (SMALL_SIDE + 1, SMALL_SIDE + 1)
    found, labels = detections(size_hw), ClassLabels.from_names(list(NAMES))
    gray = np.full((*size_hw, 3), 90, np.uint8)
    drawn: Pixels = draw(gray, found, labels)
    size, renderer = text_size(size_hw, 6), text_renderer(None)
    images = [
        label_image(NAMES[class_id], f"{score:.2f}", size, color(class_id), renderer)
        for class_id, score in zip(found.class_ids.tolist(), found.scores.tolist(), strict=True)
    ]
    positions = place_labels(size_hw, found.boxes_xyxy, [image.shape[:2] for image in images], 1)
    left, top = positions[0]
    assert np.array_equal(drawn[top : top + len(images[0]), left : left + images[0].shape[1]], images[0])
