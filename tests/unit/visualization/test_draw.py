import time
from collections.abc import Callable

import numpy as np
import pytest

from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.visualization.colors import color
from detcli.visualization.draw import draw, line_width
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.label_boxes import render_labels, text_size
from detcli.visualization.text_renderer import text_renderer

LABELS = ClassLabels.from_names(["cat", "dog", "traffic light"])
BARE = DrawingStyle(hide_labels=True)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def one_box(*box: float, class_id: int = 1) -> Detections:
    return Detections(np.array([box], np.float64), np.array([0.93], np.float32), np.array([class_id]))


def crowd(count: int, height: int, width: int) -> Detections:
    random = np.random.default_rng(0)
    corners = np.sort(random.random((count, 2, 2)), axis=1).reshape(count, 4) * np.array([width, height] * 2)
    return Detections(corners, np.linspace(1, 0.4, count, dtype=np.float32), random.integers(0, 3, count))


def test_the_original_is_never_changed() -> None:
    pixels = grey(480, 640)
    pixels.setflags(write=False)
    drawn = draw(pixels, one_box(10, 40, 200, 300), LABELS)
    assert (pixels == 90).all()
    assert drawn.shape == pixels.shape
    assert drawn.dtype == np.uint8


def test_without_detections_the_image_is_the_same() -> None:
    np.testing.assert_array_equal(draw(grey(48, 64), Detections.empty(), LABELS), grey(48, 64))


def test_lines_follow_the_edge_of_the_box() -> None:
    drawn = draw(grey(480, 640), one_box(100, 120, 300, 400), LABELS, BARE)
    for row, column in ((120, 200), (399, 200), (250, 100), (250, 299)):
        assert tuple(drawn[row, column]) == color(1)
    assert (drawn[126:394, 106:294] == 90).all()
    assert (drawn[:114] == 90).all()


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 3), (16, 16), (24, 32), (75, 100), (480, 640), (50, 6000), (6000, 50)])
@pytest.mark.parametrize("count", [1, 300])
def test_images_of_any_shape_can_be_drawn_on(size_hw: tuple[int, int], count: int) -> None:
    drawn = draw(grey(*size_hw), crowd(count, *size_hw), LABELS)
    assert drawn.shape == (*size_hw, 3)
    assert (drawn != 90).any()


def test_boxes_at_and_beyond_the_edges_stay_in_the_image() -> None:
    for box in ((0, 0, 640, 480), (639.9, 479.9, 640, 480), (0, 0, 0.1, 0.1), (-5, -5, 700, 500)):
        assert (draw(grey(480, 640), one_box(*box), LABELS) != 90).any()


@pytest.mark.parametrize("size_hw", [(75, 100), (480, 640), (3000, 4000)])
def test_lines_and_letters_grow_with_the_image(size_hw: tuple[int, int]) -> None:
    shorter = min(size_hw)
    assert shorter / 500 <= line_width(size_hw) <= max(1, shorter / 100)
    assert shorter / 70 <= text_size(size_hw, 5) <= max(10, shorter / 25)
    assert text_size(size_hw, 300) <= text_size(size_hw, 5)


def test_a_label_is_drawn_unless_it_is_hidden() -> None:
    def ink(style: DrawingStyle) -> int:
        drawn = draw(grey(480, 640), one_box(100, 120, 300, 400), LABELS, style)
        return int((drawn == np.array(color(1))).all(axis=2).sum())

    assert ink(BARE) < ink(DrawingStyle(hide_scores=True)) < ink(DrawingStyle())


def test_a_label_without_space_above_stays_in_the_image() -> None:
    drawn = draw(grey(480, 640), one_box(100, 0, 300, 470), LABELS)
    bare = draw(grey(480, 640), one_box(100, 0, 300, 470), LABELS, BARE)
    changed = np.argwhere((drawn != bare).any(axis=2))
    height = changed[:, 0].max() - changed[:, 0].min() + 1
    assert height >= text_size((480, 640), 1)  # all of it


def test_labels_of_a_few_boxes_do_not_overlap() -> None:
    boxes = np.array(
        [[100, 100, 300, 300], [102, 101, 301, 299], [104, 99, 299, 300], [101, 102, 300, 301]], np.float64
    )
    many = Detections(boxes, np.linspace(0.9, 0.5, 4, dtype=np.float32), np.arange(4))
    labels = ClassLabels.from_names(["first", "second", "third", "fourth"])
    drawn = draw(grey(480, 640), many, labels)
    for class_id in range(4):  # the ground of each label is there to nearly the same extent
        area = (drawn == np.array(color(class_id))).all(axis=2).sum()
        alone = draw(grey(480, 640), one_box(*boxes[class_id], class_id=class_id), labels)
        bare = draw(grey(480, 640), one_box(*boxes[class_id], class_id=class_id), labels, BARE)
        label = int((alone == np.array(color(class_id))).all(axis=2).sum()) - int(
            (bare == np.array(color(class_id))).all(axis=2).sum()
        )
        assert area > 0.7 * label


def test_a_thumbnail_has_boxes_without_labels() -> None:
    np.testing.assert_array_equal(
        draw(grey(16, 16), one_box(2, 2, 14, 14), LABELS), draw(grey(16, 16), one_box(2, 2, 14, 14), LABELS, BARE)
    )


def test_the_same_result_is_drawn_the_same() -> None:
    for _ in range(2):
        one = draw(grey(480, 640), crowd(50, 480, 640), LABELS)
        np.testing.assert_array_equal(one, draw(grey(480, 640), crowd(50, 480, 640), LABELS))


def test_drawing_ten_boxes_takes_a_few_milliseconds(benchmark_s: Callable[..., float]) -> None:
    pixels, found = grey(720, 1280), crowd(10, 720, 1280)
    assert benchmark_s(lambda: draw(pixels, found, LABELS)) < 0.010


@pytest.fixture
def benchmark_s() -> Callable[..., float]:
    def best(call: Callable[[], object]) -> float:
        took = []
        for _ in range(20):
            start = time.perf_counter()
            call()
            took.append(time.perf_counter() - start)
        return min(took)

    return best


def test_a_track_keeps_its_color_and_shows_its_number() -> None:
    def drawn(track: int | None, class_id: int = 1, style: DrawingStyle = BARE) -> np.ndarray:
        tracks = None if track is None else np.array([track])
        found = one_box(100, 120, 300, 400, class_id=class_id)
        tracked = Detections(found.boxes_xyxy, found.scores, found.class_ids, track_ids=tracks)
        return draw(grey(480, 640), tracked, LABELS, style)

    assert tuple(drawn(7)[250, 100]) == tuple(drawn(7, class_id=2)[250, 100]) == color(7)
    assert tuple(drawn(8)[250, 100]) == color(8) != color(7)
    plain = DrawingStyle(hide_scores=True)
    numbered, bare = (int((drawn(track, 1, plain) == color(1)).all(axis=2).sum()) for track in (1, None))
    assert numbered > bare, "the number makes the label wider"


@pytest.mark.parametrize("size_hw", [(288, 384), (720, 1280)])
def test_there_is_a_gap_between_track_id_and_score(size_hw: tuple[int, int]) -> None:
    letters = text_renderer(None)
    [both] = render_labels(size_hw, ["ring #1"], ["0.98"], [(0, 0, 0)], letters)
    [name] = render_labels(size_hw, ["ring #1"], [""], [(0, 0, 0)], letters)
    size = text_size(size_hw, 1)
    score = letters.write("0.98", size).opacity.shape[1]
    space = letters.write("# 1", size).opacity.shape[1] - letters.write("#1", size).opacity.shape[1]
    assert both.shape[1] - name.shape[1] - score > 1.2 * space
