"""Formats of boxes are told apart by where the boxes would be; right boxes are never taken for another format."""

import numpy as np
import pytest

from detcli.datasets.boxes.box_formats import (
    ALL_FORMATS,
    COCO,
    CORNERS,
    HALF_SWAPPED_FORMATS,
    YOLO,
    BoxFormat,
    Slack,
    are_fractions,
    ends_outside,
    likely_format,
)
from tests.helpers.box_format_scenes import KINDS, scene

PIXEL = Slack(1.0)


@pytest.mark.parametrize("box_format", [*ALL_FORMATS, *HALF_SWAPPED_FORMATS], ids=str)
def test_numbers_in_any_format_give_the_same_boxes(box_format: BoxFormat) -> None:
    rng = np.random.default_rng(0)
    sides = rng.integers(10, 900, (30, 2)).astype(float)
    boxes = np.concatenate((rng.uniform(0, 0.4, (30, 2)), rng.uniform(0.5, 1, (30, 2))), axis=1) * np.tile(sides, 2)
    numbers = box_format.from_xyxy(boxes, sides)
    np.testing.assert_allclose(box_format.to_xyxy(numbers, sides), boxes)


def test_the_numbers_of_each_format_are_what_its_name_says() -> None:
    sides, box = np.array([[200.0, 100.0]]), np.array([[20.0, 10.0, 60.0, 40.0]])
    for box_format, numbers in (
        (COCO, [20, 10, 40, 30]),
        (CORNERS, [20, 10, 60, 40]),
        (BoxFormat("cxcywh"), [40, 25, 40, 30]),
        (BoxFormat("xywh", swapped=True), [10, 20, 30, 40]),
        (BoxFormat("yxwh"), [10, 20, 40, 30]),
        (BoxFormat("yxwh", swapped=True), [20, 10, 30, 40]),
        (BoxFormat("cycxwh"), [25, 40, 40, 30]),
        (YOLO, [0.2, 0.25, 0.2, 0.3]),
        (BoxFormat("xyxy", swapped=True, fractions=True), [0.1, 0.1, 0.4, 0.3]),
    ):
        assert box_format.from_xyxy(box, sides).tolist() == [pytest.approx(numbers)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size_wh", [None, (640, 480), (480, 640), (64, 64), (8, 8), (3, 2)])
@pytest.mark.parametrize("images", [1, 3, 50])
def test_right_boxes_are_never_taken_for_another_format(
    kind: str, size_wh: tuple[int, int] | None, images: int
) -> None:
    for seed in range(2):
        made = scene(seed, images=images, size_wh=size_wh, kind=kind)
        boxes, sides = np.array([entry["bbox"] for entry in made.annotations]), made.sides_wh(made.annotations)
        assert likely_format(boxes, sides, COCO, PIXEL) is None
        fractions = YOLO.from_xyxy(COCO.to_xyxy(boxes, sides), sides)
        assert likely_format(fractions, np.ones_like(sides), YOLO, Slack(1e-3)) is None


@pytest.mark.parametrize("kind", ["any", "integers"])
@pytest.mark.parametrize("box_format", [one for one in ALL_FORMATS if one != COCO], ids=str)
def test_pixels_in_another_format_are_certain(box_format: BoxFormat, kind: str) -> None:
    made = scene(1, kind=kind, size_wh=(640, 400))
    written = np.array([entry["bbox"] for entry in made.written(made.annotations, box_format)])
    likely = likely_format(written, made.sides_wh(made.annotations), COCO, PIXEL)
    assert likely is not None
    assert likely.certain
    assert likely.fractions == box_format.fractions
    assert likely.fractions or likely.format == box_format


@pytest.mark.parametrize("shape", ["xywh", "xyxy"])
def test_fractions_in_another_format_are_said(shape: str) -> None:
    made = scene(2)
    other = BoxFormat(shape, fractions=True)  # type: ignore[arg-type]
    numbers = np.array([entry["bbox"] for entry in made.written(made.annotations, other)])
    likely = likely_format(numbers, np.ones((len(numbers), 2)), YOLO, Slack(1e-3))
    assert likely is not None
    assert likely.format == other
    assert "extend beyond the image" in likely.reason


def test_some_boxes_beyond_the_image_are_no_other_format() -> None:
    made = scene(3, images=60)
    boxes, sides = np.array([entry["bbox"] for entry in made.annotations]), made.sides_wh(made.annotations)
    boxes[::8, 2:] += 300
    assert likely_format(boxes, sides, COCO, PIXEL) is None
    few = np.array([[600.0, 400.0, 42.0, 50.0], [630.0, 20.0, 13.0, 13.0]])
    assert likely_format(few, np.array([[640.0, 480.0]] * 2), COCO, PIXEL) is None, "they may be centers, or too wide"


def test_images_of_unknown_size_give_no_evidence_but_fractions() -> None:
    unknown = np.full((20, 2), np.inf)
    boxes = np.tile([300.0, 200.0, 400.0, 300.0], (20, 1))
    assert likely_format(boxes, unknown, COCO, PIXEL) is None
    assert not ends_outside(boxes, unknown, PIXEL).any()
    fractions = likely_format(boxes / 1000, unknown, COCO, PIXEL)
    assert fractions is not None
    assert fractions.fractions


@pytest.mark.parametrize(
    ("numbers", "size", "expected"),
    [
        ([[0.1, 0.2, 0.3, 0.4]], 640, True),
        ([[-0.05, 0.2, 1.05, 0.4]], 640, True),
        ([[0, 0, 1, 1]], 640, False),
        ([[0.5, 0.5, 2, 0.4]], 640, False),
        ([[0.1, 0.2, 0.3, 0.4]], 1, False),
        (np.empty((0, 4)), 640, False),
    ],
)
def test_fractions_are_up_to_one_and_smaller_than_a_pixel(
    numbers: list[list[float]], size: int, expected: bool
) -> None:
    boxes = np.array(numbers, np.float64)
    assert are_fractions(boxes, np.full((len(boxes), 2), float(size))) == expected


def test_slack_is_the_larger_of_pixels_and_share() -> None:
    sides = np.array([[100.0, 10.0]])
    for bottom, outside in ((10.9, False), (11.1, True)):
        assert ends_outside(np.array([[0, 0, 104.0, bottom]]), sides, Slack(1.0, share=0.05)).tolist() == [outside]
    assert ends_outside(np.array([[-6.0, 0, 50.0, 10]]), sides, Slack(1.0, share=0.05)).tolist() == [True]
