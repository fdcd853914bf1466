"""Pages of the worst images: readable at every size, every outcome visible with and without colors."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.evaluation.box_matching import BoxMatches, match_boxes
from detcli.evaluation.worst_images import draw_worst_images, worst_images
from detcli.evaluation.worst_images import page as page_module
from detcli.evaluation.worst_images import panel as panel_module
from detcli.evaluation.worst_images.outcomes import (
    CROWD,
    FALSE_POSITIVE,
    MATCHED,
    MISCLASSIFIED,
    MISSED,
    OUTCOMES,
    Outcome,
    count_outcomes,
    ground_truth_boxes,
    predicted_boxes,
)
from detcli.evaluation.worst_images.page import PageTitle, draw_page
from detcli.evaluation.worst_images.panel import draw_dashed_box, draw_panel, panel_scale
from detcli.structures.frame import Pixels

CATEGORIES = {3: "cat", 7: "dog"}
TITLE = PageTitle("val/street 1.jpg", "rank 1 by number of errors", 0.25, 0.5)


def matches(width: int = 400, height: int = 300) -> BoxMatches:
    """A cat that matches, a dog that is missed, one taken for a cat, a false positive, a detection in a crowd."""
    rows = [
        (3, (0.05, 0.1, 0.2, 0.2), 0),
        (7, (0.4, 0.1, 0.2, 0.2), 0),
        (7, (0.7, 0.1, 0.2, 0.2), 0),
        (7, (0.05, 0.6, 0.4, 0.3), 1),
    ]
    found = [
        (3, (0.05, 0.1, 0.2, 0.19), 0.9),
        (3, (0.7, 0.1, 0.2, 0.2), 0.8),
        (7, (0.6, 0.6, 0.2, 0.2), 0.7),
        (7, (0.1, 0.65, 0.1, 0.1), 0.6),
    ]
    annotations = [_entry(category, box, width, height) | {"iscrowd": crowd} for category, box, crowd in rows]
    results = [_entry(category, box, width, height) | {"score": score} for category, box, score in found]
    document = {"images": [{"id": 17}], "annotations": annotations}
    return next(iter(match_boxes(document, results, score=0.25)))


def _entry(category_id: int, box: tuple[float, ...], width: int, height: int) -> dict[str, Any]:
    bbox = [part * side for part, side in zip(box, (width, height) * 2, strict=True)]
    return {"image_id": 17, "category_id": category_id, "bbox": bbox}


def crowded(count: int, width: int, height: int) -> BoxMatches:
    random = np.random.default_rng(0)
    boxes = [(*random.uniform(0, 0.8, 2), *random.uniform(0.03, 0.2, 2)) for _ in range(count)]
    annotations = [_entry(3, box, width, height) for box in boxes[::2]]
    results = [_entry(7, box, width, height) | {"score": 0.5} for box in boxes[::3]]
    return next(iter(match_boxes({"images": [{"id": 1}], "annotations": annotations}, results, score=0.25)))


def gray(width: int, height: int) -> Pixels:
    return np.full((height, width, 3), 128, np.uint8)


def pixels_of(drawn: Pixels, outcome: Outcome) -> int:
    return int((drawn == np.array(outcome.color)).all(axis=2).sum())


@pytest.mark.parametrize(
    ("size", "longer"),
    [((32, 24), 640), ((320, 240), 640), ((640, 480), 640), ((1000, 700), 1000), ((4000, 3000), 1600), ((24, 32), 640)],
)
def test_panels_have_a_readable_size(size: tuple[int, int], longer: int) -> None:
    panel = draw_panel(gray(*size), predicted_boxes(matches(*size), CATEGORIES))
    height, width = panel.shape[:2]
    assert max(height, width) == longer
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
    assert panel_scale(size) == pytest.approx(longer / max(size))


@pytest.mark.parametrize("size", [(32, 24), (400, 300), (4000, 3000), (300, 900), (6000, 200), (50, 4000), (1, 1)])
def test_the_page_of_any_image_has_both_panels_and_all_outcomes(size: tuple[int, int]) -> None:
    page = draw_page(gray(*size), matches(*size), CATEGORIES, TITLE)
    panel = draw_panel(gray(*size), [])
    height, width = panel.shape[:2]
    stacked = width >= 2.2 * height
    assert page.shape[1] >= max(900, (1 if stacked else 2) * width)
    assert page.shape[0] > (2 if stacked else 1) * height
    for outcome in OUTCOMES:
        assert pixels_of(page, outcome) > 40, outcome.name


def test_ground_truth_and_predictions_show_their_outcomes() -> None:
    expected = {each.outcome: each.texts[0] for each in ground_truth_boxes(matches(), CATEGORIES)}
    assert expected == {
        MISSED: "missed dog",
        MISCLASSIFIED: "dog, detected as cat",
        MATCHED: "cat",
        CROWD: "crowd",
    }
    predicted = {each.outcome: each.texts[0] for each in predicted_boxes(matches(), CATEGORIES)}
    assert predicted == {
        MATCHED: "cat 0.90 IoU 0.95",
        MISCLASSIFIED: "cat 0.80, is dog, IoU 1.00",
        FALSE_POSITIVE: "false dog 0.70",
        CROWD: "dog 0.60",
    }
    assert list(count_outcomes(matches()).values()) == [1, 1, 1, 1, 1]


def test_mistakes_come_first_so_that_they_are_on_top() -> None:
    for boxes in (ground_truth_boxes(matches(), CATEGORIES), predicted_boxes(matches(), CATEGORIES)):
        kinds = [each.outcome in (MATCHED, CROWD) for each in boxes]
        assert kinds == sorted(kinds)


def test_outcomes_differ_in_color_and_in_dashes() -> None:
    for one, other in combinations(OUTCOMES, 2):
        assert one.dashes != other.dashes
        assert sum(abs(a - b) for a, b in zip(one.color, other.color, strict=True)) > 90


def test_dashes_leave_gaps_and_continuous_lines_do_not() -> None:
    shares = {}
    for outcome in OUTCOMES:
        canvas = gray(300, 300)
        draw_dashed_box(canvas, np.array([50.0, 50, 250, 250]), outcome.color, outcome.dashes, 3)
        row = (canvas[50, 50:250] == np.array(outcome.color)).all(axis=1)
        shares[outcome.name] = round(float(row.mean()), 2)
        assert (canvas[60:240, 60:240] == 128).all()
    assert shares[MATCHED.name] == 1
    others = [share for name, share in shares.items() if name != MATCHED.name]
    assert all(0.1 < share < 0.9 for share in others)


@pytest.mark.parametrize("box", [(-5, -5, 700, 500), (0, 0, 0.2, 0.2), (639.9, 479.9, 640, 480)])
def test_boxes_beyond_the_edge_are_drawn_inside(box: tuple[float, ...]) -> None:
    canvas = gray(640, 480)
    draw_dashed_box(canvas, np.array(box), MATCHED.color, (), 4)
    assert pixels_of(canvas, MATCHED) > 10


@pytest.mark.parametrize("count", [3, 40, 300])
def test_labels_of_many_boxes_do_not_overlap(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[tuple[int, int, int, int]] = []

    def watch(canvas: Pixels, images: list[Pixels], positions: list[tuple[int, int]]) -> None:
        for image, (left, top) in zip(images, positions, strict=True):
            assert 0 <= left <= canvas.shape[1] - image.shape[1]
            assert 0 <= top <= canvas.shape[0] - image.shape[0]
            placed.append((left, top, left + image.shape[1], top + image.shape[0]))

    monkeypatch.setattr(panel_module, "paste_labels", watch)
    boxes = predicted_boxes(crowded(count, 1280, 960), CATEGORIES)
    draw_panel(gray(1280, 960), boxes)
    assert min(len(boxes), 10) <= len(placed) + 1
    for one, other in combinations(placed, 2):
        assert min(one[2], other[2]) <= max(one[0], other[0]) or min(one[3], other[3]) <= max(one[1], other[1])


def test_the_title_names_file_id_and_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = page_module._line

    def watch(items: Any, *rest: Any) -> Pixels:
        written.extend(item.text for item in items)
        return real(items, *rest)

    monkeypatch.setattr(page_module, "_line", watch)
    draw_page(gray(32, 24), matches(32, 24), CATEGORIES, TITLE)
    assert written[:6] == [
        "val/street 1.jpg",
        "1 missed",
        "1 false positive",
        "1 with a wrong class",
        "1 matched",
        "1 ignored in a crowd",
    ]
    assert {"image id 17", "32 x 24 pixels, shown at 20 times its size", "matched from an IoU of 0.5"} <= set(written)
    assert "prediction: 4 boxes with a score above 0.25" in written
    assert {outcome.name for outcome in OUTCOMES} <= set(written)


def test_a_long_file_name_and_class_name_stay_on_the_page() -> None:
    title = PageTitle("folder/" * 40 + "image.jpg", "rank 1 by number of errors", 0.25, 0.5)
    page = draw_page(gray(40, 30), matches(40, 30), {3: "x" * 200, 7: "信号灯" * 30}, title)
    assert (page[:, -4:] == 255).all(), "the margin is empty"


def test_a_page_is_the_same_each_time() -> None:
    first, second = (draw_page(gray(100, 80), matches(100, 80), CATEGORIES, TITLE) for _ in range(2))
    assert np.array_equal(first, second)


def test_pages_are_written_by_rank_if_the_image_is_available(tmp_path: Path) -> None:
    document = {"images": [{"id": i} for i in (1, 2, 3)], "annotations": []}
    results = [
        {"image_id": i, "category_id": 3, "bbox": [1, 1, 9, 9], "score": 0.9} for i in (1, 1, 1, 2, 2, 3) for _ in (0,)
    ]
    worst = worst_images(match_boxes(document, results, score=0.25), 9)
    names = {1: "in/a b.jpg", 2: "in/../../2.jpg", 3: "3.png"}
    drawn = draw_worst_images(
        worst,
        tmp_path / "w",
        names,
        CATEGORIES,
        lambda image_id: None if image_id == 3 else gray(100, 100),
        score=0.25,
        iou=0.5,
    )
    assert drawn == 2
    assert sorted(path.name for path in tmp_path.rglob("*.jpg")) == ["1-a b.jpg", "2-2.jpg"]
    with Image.open(tmp_path / "w" / "1-a b.jpg") as image:
        assert image.width >= 2 * 640
