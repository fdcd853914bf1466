"""Comparison, confusion, worst images and the report, on one scene whose mistakes are known."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from detcli.evaluation.box_matching import BoxMatches, match_boxes
from detcli.evaluation.coco_metrics import evaluate_coco
from detcli.evaluation.confusion_matrix import count_confusion
from detcli.evaluation.report import EvaluationReport, to_json
from detcli.evaluation.worst_images import worst_images

CATEGORIES = {3: "cat", 7: "dog"}


def truth() -> dict[str, Any]:
    """Image 1: a cat, a dog and a crowd of dogs; image 2: a cat; image 3: nothing."""
    rows = [
        (1, 3, [10, 10, 20, 20], 0),
        (1, 7, [60, 10, 20, 20], 0),
        (1, 7, [10, 60, 80, 30], 1),
        (2, 3, [10, 10, 20, 20], 0),
    ]
    return {
        "images": [{"id": i, "file_name": f"in/{i}.jpg", "width": 100, "height": 100} for i in (1, 2, 3)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "bbox": b, "area": b[2] * b[3], "iscrowd": crowd}
            for n, (i, c, b, crowd) in enumerate(rows, 1)
        ],
        "categories": [{"id": i, "name": name} for i, name in CATEGORIES.items()],
    }


def found(*rows: tuple[int, int, list[int], float]) -> list[dict[str, Any]]:
    return [{"image_id": i, "category_id": c, "bbox": b, "score": s} for i, c, b, s in rows]


RESULTS = found(
    (1, 3, [11, 11, 20, 20], 0.9),  # right
    (1, 3, [61, 10, 20, 20], 0.8),  # a dog taken for a cat
    (1, 7, [20, 65, 10, 10], 0.7),  # in the crowd
    (1, 3, [20, 65, 10, 10], 0.6),  # not of the crowd's kind
    (1, 3, [10, 10, 20, 20], 0.5),  # a second time
    (3, 7, [0, 0, 9, 9], 0.3),  # of nothing
    (2, 3, [10, 10, 20, 20], 0.2),  # right, but below the score
)


def compared(results: Sequence[dict[str, Any]] = tuple(RESULTS), **others: float) -> list[BoxMatches]:
    return list(match_boxes(truth(), results, **{"score": 0.25} | others))


def test_each_detection_is_of_one_kind() -> None:
    first, second, third = compared()
    assert first.true_positives.tolist() == [True, False, False, False, False]
    assert first.misclassified.tolist() == [False, True, False, False, False]
    assert first.false_positives.tolist() == [False, False, False, True, True]
    assert (first.false_negatives.any(), second.false_negatives.tolist(), third.false_positives.tolist()) == (
        False,
        [True],
        [True],
    )
    assert [image.mistakes for image in (first, second, third)] == [3, 1, 1]


def test_the_score_decides_which_detections_count() -> None:
    _, second, third = compared(score=0.1)
    assert (second.mistakes, third.mistakes) == (0, 1)
    assert compared(score=0.3)[2].mistakes == 0  # above it, as everywhere


def test_matching_is_by_score_and_each_ground_truth_matches_once() -> None:
    both = found((2, 7, [10, 10, 20, 20], 0.5), (2, 3, [10, 10, 20, 20], 0.9))
    _, image, _ = compared(both)
    assert image.scores.tolist() == [0.9, 0.5]
    assert (image.true_positives.tolist(), image.false_positives.tolist()) == ([True, False], [False, True])


def test_boxes_without_area_overlap_nothing() -> None:
    assert compared(found((2, 3, [10, 10, 0, 0], 0.9)))[1].false_positives.tolist() == [True]


def test_the_matrix_counts_ground_truth_and_detections_once() -> None:
    matrix = count_confusion(compared(), CATEGORIES)
    assert matrix.names == ("cat", "dog")
    assert matrix.counts.tolist() == [[1, 0, 1], [1, 0, 0], [2, 1, 0]]
    assert (matrix.true_positives, matrix.misclassified, matrix.false_negatives, matrix.false_positives) == (1, 1, 1, 3)


def test_the_worst_images_come_first_and_those_without_mistakes_never() -> None:
    assert [image.image_id for image in worst_images(compared(), 2)] == [1, 2]
    assert [image.image_id for image in worst_images(compared(score=0.35), 9)] == [1, 2]


def test_overlaps_are_those_with_the_matched_ground_truth() -> None:
    first, _, third = compared()
    assert first.overlaps[:3].tolist() == pytest.approx([19 * 19 / (800 - 19 * 19), 19 / 21, 0])
    assert third.overlaps.tolist() == [0]
    assert first.crowd_boxes.tolist() == [[10, 60, 90, 90]]


def evaluated(**others: Any) -> EvaluationReport:
    comparisons = compared()
    given: dict[str, Any] = {
        "metrics": evaluate_coco(truth(), RESULTS),
        "confusion": count_confusion(comparisons, CATEGORIES),
        "score": 0.25,
        "iou": 0.5,
        "worst": worst_images(comparisons, 2),
        "file_names": {i: f"in/{i}.jpg" for i in (1, 2, 3)},
        "settings": {"model": "tiny", "imgsz": [64, 96]},
        "created": "2026-01-01T00:00:00Z",
        "failed": [{"file": "b\udcff.jpg", "code": "empty", "message": "an empty file"}],
        "notes": ["odd"],
    }
    return EvaluationReport(**(given | others))


def test_a_report_read_back_has_every_digit() -> None:
    one = evaluated()
    document = json.loads(to_json(one.to_dict()))
    assert document == one.to_dict()
    assert document["metrics"] == one.metrics.by_name
    assert document["confusion"]["counts"] == one.confusion.counts.tolist()
    assert document["counts"] == {"images": 3, "failed": 1, "ground_truth": 3, "detections": 7}
    assert document["worst"][0] == {
        "file": "in/1.jpg",
        "image_id": 1,
        "false_negatives": 0,
        "misclassified": 1,
        "false_positives": 2,
    }
    assert document["failed"][0]["file"] == "b\udcff.jpg"


def test_a_report_without_ground_truth_is_strict_json() -> None:
    text = to_json(evaluated(metrics=evaluate_coco(truth() | {"annotations": []}, RESULTS)).to_dict()).decode()
    assert json.loads(text, parse_constant=pytest.fail)["metrics"]["AP"] is None
