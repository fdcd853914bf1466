"""Results and ground truth in different formats are an error or a note; right ones never are."""

from typing import Any

import numpy as np
import pytest

from detcli.datasets.boxes.box_formats import ALL_FORMATS, COCO, SCALED_FORMATS, YOLO, BoxFormat
from detcli.errors import DataError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.evaluation.results.format_checks import check_formats, ground_truth_notes
from detcli.io.coco.coco_reader import posix_name
from tests.helpers.box_format_scenes import KINDS, Scene, scene

OTHERS = [one for one in ALL_FORMATS if one != COCO]


def said(made: Scene, results: list[dict[str, Any]] | None = None, **others: Any) -> str:
    """What is said about the formats, as an error or in notes."""
    truth = CocoGroundTruth("gt.json", made.document)
    given: dict[str, Any] = {"format_name": "coco-results"} | others
    try:
        return "; ".join(check_formats(made.results if results is None else results, truth, "r.json", **given))
    except DataError as error:
        return f"error: {error}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size_wh", [None, (640, 480), (64, 64), (8, 8), (3, 2)])
@pytest.mark.parametrize(("images", "boxes"), [(1, 1), (3, 2), (15, 5)])
def test_right_results_of_any_quality_give_no_note(
    kind: str, size_wh: tuple[int, int] | None, images: int, boxes: int
) -> None:
    for seed, noise in enumerate((0.0, 0.02, 0.3, None)):
        made = scene(seed, images=images, boxes=boxes, size_wh=size_wh, kind=kind, noise=noise, others=3)
        notes = said(made, ids_alone=True)
        assert "look like" not in notes, (seed, notes)
        assert "error" not in notes, (seed, notes)
        assert noise or "outside" not in notes, (seed, notes)


@pytest.mark.parametrize("box_format", OTHERS, ids=str)
def test_results_in_another_format_are_said(box_format: BoxFormat) -> None:
    for size_wh in (None, (640, 480)):
        made = scene(4, size_wh=size_wh, noise=0.05)
        text = said(made, made.written(made.results, box_format))
        assert f"look like {box_format}, not like {COCO}" in text or f"as {box_format} all fit" in text
        assert "'r.json'" in text


@pytest.mark.parametrize("box_format", [one for one in OTHERS if not one.fractions], ids=str)
def test_ground_truth_in_another_format_is_said(box_format: BoxFormat) -> None:
    made = scene(5, size_wh=(640, 400), kind="small")
    other = Scene(made.images, made.written(made.annotations, box_format), made.results)
    text = said(other)
    assert f"look like {box_format}" in text
    assert "'gt.json'" in text or box_format.swapped, "boxes with swapped axes may be on either side"
    notes = ground_truth_notes(other.results, CocoGroundTruth("gt.json", other.document))
    assert f"the boxes in the ground truth 'gt.json' look like {box_format}" in notes[0]
    assert ground_truth_notes(made.results, CocoGroundTruth("gt.json", made.document)) == []


@pytest.mark.parametrize("format_name", ["yolo", "csv"])
def test_numbers_are_those_that_the_format_writes(format_name: str) -> None:
    written = {"yolo": YOLO, "csv": BoxFormat("xyxy")}[format_name]
    other = BoxFormat(written.shape, swapped=True, fractions=written.fractions)
    made = scene(6, noise=0.01)
    assert said(made, format_name=format_name) == ""
    sides = made.sides_wh(made.results)
    boxes = COCO.to_xyxy(np.array([entry["bbox"] for entry in made.results]), sides)
    read = COCO.from_xyxy(written.to_xyxy(other.from_xyxy(boxes, sides), sides), sides)
    results = [{**entry, "bbox": row.tolist()} for entry, row in zip(made.results, read, strict=True)]
    assert f"look like {other}, not like {written}" in said(made, results, format_name=format_name)


SCALED = [one for one in SCALED_FORMATS if one.whole in (100, 320, 640, 1000) and one.shape != "cxcywh"]


@pytest.mark.parametrize("box_format", SCALED, ids=str)
def test_results_that_were_not_scaled_back_are_said(box_format: BoxFormat) -> None:
    made = scene(11, size_wh=None, noise=0.02, kind="small")
    text = said(made, made.written(made.results, box_format))
    assert f"the boxes in the results 'r.json' look like {box_format}, not like {COCO}" in text


@pytest.mark.parametrize("box_format", SCALED[:4], ids=str)
def test_ground_truth_of_another_scale_is_said(box_format: BoxFormat) -> None:
    made = scene(12, size_wh=(1500, 900), noise=0.02)
    text = said(Scene(made.images, made.written(made.annotations, box_format), made.results))
    assert f"the boxes in the ground truth 'gt.json' look like {box_format}, not like {COCO}" in text


def test_categories_of_another_list_are_said() -> None:
    made = scene(13)
    moved = [{**entry, "category_id": entry["category_id"] % 3 + 1} for entry in made.results]
    assert "the categories in 'r.json' look like those of another list than 'gt.json'" in said(made, moved)
    some = [entry if number % 2 else moved[number] for number, entry in enumerate(made.results)]
    assert "categories" not in said(made, some)


def test_predictions_of_other_categories_or_places_are_said() -> None:
    made = scene(15, size_wh=(640, 480), noise=0.02, kind="small")
    truth = CocoGroundTruth("gt.json", made.document)
    moved = [{**entry, "category_id": entry["category_id"] % 3 + 1} for entry in made.results]
    (note,) = ground_truth_notes(moved, truth)
    assert note.startswith("the categories in the predictions look like those of another list than 'gt.json'")
    halved = [{**entry, "bbox": [number * 0.37 for number in entry["bbox"]]} for entry in made.results]
    (note,) = ground_truth_notes(halved, truth)
    assert "a box in the predictions: either these are poor" in note


def test_results_of_which_nothing_matches_are_said() -> None:
    made = scene(14, size_wh=(640, 480), noise=0.02, kind="small")
    halved = [{**entry, "bbox": [number * 0.37 for number in entry["bbox"]]} for entry in made.results]
    text = said(made, halved)
    assert f"of {len(made.annotations)} of the ground truth" in text
    assert "either these are poor, or of other images, or their coordinates" in text
    assert said(made) == ""
    few = scene(14, images=1, boxes=3, noise=None)
    assert "either" not in said(few), "a few boxes may be missed by chance"


def test_a_few_boxes_that_match_exactly_are_enough() -> None:
    made = scene(7, images=2, boxes=2, noise=0.0, others=0)
    assert len(made.annotations) < 5
    assert "look like centers" in said(made, made.written(made.results, BoxFormat("cxcywh")))


def test_nothing_that_matches_is_an_error_and_a_part_is_a_note() -> None:
    made = scene(8, kind="small")
    corners = made.written(made.results, BoxFormat("xyxy"))
    assert said(made, corners).startswith(
        "error: cannot evaluate: the boxes in the results 'r.json' look like two corners"
    )
    text = said(made, [*corners, made.results[0]])
    assert text.startswith("the boxes in the results 'r.json' look like two corners")
    assert "end outside their image; check that image ids" in text


def test_boxes_that_end_outside_their_image_are_counted() -> None:
    made = scene(9, noise=0.01)
    for entry in made.results[:4]:
        entry["bbox"] = [600, 400, 300, 200]
    assert f"4 of {len(made.results):,} boxes in 'r.json' end outside their image" in said(made)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("by_name", [True, False])
def test_ids_that_are_positions_of_a_listing_are_said(first: int, by_name: bool) -> None:
    made = scene(10, images=30)
    for number, image in enumerate(made.images):  # ids that positions may be too
        image["id"] = number
    order = sorted(range(30), key=lambda number: posix_name(made.images[number]["file_name"]))
    position = {number: (order.index(number) if by_name else 29 - number) for number in range(30)}
    for entry in made.annotations + made.results:
        entry["image_id"] = (entry["image_id"] - 3) // 7
    listed = made.images if by_name else [{**image, "file_name": f"{n:02}.jpg"} for n, image in enumerate(made.images)]
    truth = Scene(listed if by_name else listed[::-1], made.annotations, made.results)
    known = {image["id"] for image in truth.images}
    results = [{**entry, "image_id": position[entry["image_id"]] + first} for entry in made.results]
    results = [entry for entry in results if entry["image_id"] in known]
    text = said(truth, results, ids_alone=True)
    assert "image ids in 'r.json' look like positions in a list of the images" in text
    assert "look like positions" not in said(truth, results, ids_alone=False)
