"""Evaluation of thousands of classes: memory and work grow with the data, never with pairs of classes or boxes."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import detcli.evaluation.box_matching as box_matching
from detcli.evaluation.analysis.evaluation_details import evaluation_details
from detcli.evaluation.box_matching import match_boxes
from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.evaluation.coco_metrics import evaluate_coco
from detcli.evaluation.confusion_matrix import MAX_TABLE_CLASSES, ConfusionMatrix, count_confusion
from detcli.evaluation.plots.confusion_plot import confusion_figure, most_frequent, top_confusions
from detcli.evaluation.plots.pr_curves import pr_figure
from detcli.evaluation.report import EvaluationReport, to_json
from detcli.evaluation.results.format_checks import check_formats, ground_truth_notes, image_pairs
from detcli.evaluation.results.result_matching import match_results
from detcli.io.results import StoredBox, StoredImage

FEW, MANY = 3_000, 6_000
Json = dict[str, Any]


def document(classes: int, *, boxes: int = 200, images: int = 4) -> Json:
    """Annotations of many classes, of which the boxes have some."""
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(images)],
        "categories": [{"id": i, "name": f"class {i}"} for i in range(classes)],
        "annotations": [
            {
                "id": i,
                "image_id": i % images,
                "category_id": i * 7 % classes,
                "bbox": [float(i % 100 * 5), float(i // 100 * 5), 20.0, 20.0],
                "area": 400.0,
                "iscrowd": int(i % 50 == 49),
            }
            for i in range(boxes)
        ],
    }


def results_of(annotations: Json, *, seed: int = 0) -> list[Json]:
    """Most boxes with their class, some with another one, some elsewhere."""
    rng = np.random.default_rng(seed)
    classes = len(annotations["categories"])
    return [
        {
            "image_id": entry["image_id"],
            "category_id": int(rng.integers(classes)) if rng.random() < 0.3 else entry["category_id"],
            "bbox": [entry["bbox"][0] + float(rng.choice([0, 2, 200])), *entry["bbox"][1:]],
            "score": float(rng.random()),
        }
        for entry in annotations["annotations"]
    ]


def confusion_of(annotations: Json, score: float = 0.0) -> ConfusionMatrix:
    names = {category["id"]: category["name"] for category in annotations["categories"]}
    return count_confusion(match_boxes(annotations, results_of(annotations), score=score), names)


def report_of(annotations: Json) -> EvaluationReport:
    results = results_of(annotations)
    metrics = evaluate_coco(annotations, results)
    return EvaluationReport(
        metrics=metrics,
        confusion=confusion_of(annotations),
        score=0.0,
        iou=0.5,
        worst=(),
        file_names={},
        settings={},
        created="",
        details=evaluation_details(annotations, results, metrics, score=0.0, samples=2),
    )


def peak_bytes(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("of", [confusion_of, report_of, lambda data: to_json(report_of(data).to_dict())])
def test_memory_grows_with_classes_and_not_with_pairs(of: Callable[[Json], object]) -> None:
    few, many = document(FEW), document(MANY)
    of(few)  # imports
    small, large = peak_bytes(lambda: of(few)), peak_bytes(lambda: of(many))
    assert large < 2.6 * small
    assert large < FEW * FEW * 8


def test_a_sparse_matrix_has_the_counts_of_the_complete_table() -> None:
    annotations = document(300)
    confusion = confusion_of(annotations)
    counts = np.zeros((301, 301), np.int64)
    for row, column, number in confusion.cells.tolist():
        counts[row, column] = number
    assert np.array_equal(confusion.counts, counts)
    assert np.array_equal(ConfusionMatrix.from_table(confusion.names, counts).cells, confusion.cells)
    assert confusion.true_positives == np.trace(counts)
    assert confusion.misclassified == counts[:-1, :-1].sum() - np.trace(counts) > 0
    assert confusion.false_negatives == counts[:-1, -1].sum() > 0
    assert confusion.false_positives == counts[-1].sum() > 0
    assert np.array_equal(confusion.missed, counts[:-1, -1])
    assert np.array_equal(confusion.unexpected, counts[-1, :-1])
    assert [sums.tolist() for sums in confusion.totals()] == [counts.sum(1).tolist(), counts.sum(0).tolist()]


def test_every_ground_truth_and_detection_is_counted_once() -> None:
    annotations = document(MANY, boxes=500)
    confusion = confusion_of(annotations, score=0.3)
    rows, _ = confusion.totals()
    assert rows[:-1].sum() == sum(not entry["iscrowd"] for entry in annotations["annotations"])
    shown = most_frequent(confusion, 100)
    table = confusion.table(shown)
    place = {category: index for index, category in enumerate([*shown, MANY])}
    expected = {(r, c): n for r, c, n in confusion.cells.tolist() if r in place and c in place}
    assert {(r, c): int(table[place[r], place[c]]) for r, c in expected} == expected
    assert table.sum() == sum(expected.values())


def test_a_report_of_very_many_classes_lists_the_pairs_that_occur() -> None:
    few, many = (report_of(document(count)).to_dict()["confusion"] for count in (MAX_TABLE_CLASSES, FEW))
    assert np.array(few["counts"]).shape == (MAX_TABLE_CLASSES + 1,) * 2
    assert "pairs" not in few
    assert many["counts"] is None
    assert sum(number for *_, number in many["pairs"]) == np.sum(confusion_of(document(FEW)).cells[:, 2])
    assert len(to_json({"confusion": many})) < 40 * FEW + 200 * len(many["pairs"])
    json.loads(to_json({"confusion": many}))


def test_a_complete_table_of_too_many_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"3,000 classes is too large"):
        _ = confusion_of(document(FEW)).counts


def test_plots_of_thousands_of_classes_draw_a_bounded_number() -> None:
    report = report_of(document(FEW, boxes=2 * FEW, images=30))
    assert report.details is not None
    curves = pr_figure(report.metrics, score=0.3, curve=report.details.thresholds.curve)
    assert len(curves.axes[1].lines) < 600
    figure = confusion_figure(report.confusion, score=0.0, iou=0.5)
    assert figure.axes[0].images[0].get_array().shape == (1000, 1000)
    assert "the 1,000 of 3,000 classes with the most boxes" in figure.get_suptitle()
    row, column, number = top_confusions(report.confusion, 1)[0]
    assert number == max(n for r, c, n in report.confusion.cells.tolist() if r != c and FEW not in (r, c))
    assert row != column


def test_classes_without_ground_truth_cost_no_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    annotations = document(FEW, boxes=30)
    used = {entry["category_id"] for entry in annotations["annotations"]}
    seen = []
    evaluate = evaluate_coco.__globals__["compute_arrays"]

    def counting(library: str, data: Json, *rest: Any) -> Any:
        seen.append(len(data["categories"]))
        return evaluate(library, data, *rest)

    monkeypatch.setitem(evaluate_coco.__globals__, "compute_arrays", counting)
    metrics = evaluate_coco(annotations, results_of(annotations))
    assert seen == [len(used)]
    assert [each.category_id for each in metrics.classes] == list(range(FEW))
    assert {each.category_id for each in metrics.classes if each.ap is not None} <= used
    few = {**annotations, "categories": [one for one in annotations["categories"] if one["id"] in used]}
    kept = [entry for entry in results_of(annotations) if entry["category_id"] in used]
    assert evaluate_coco(few, kept).by_name == metrics.by_name


def test_detections_of_a_class_without_ground_truth_are_counted() -> None:
    annotations = document(20, boxes=5)
    missing = next(i for i in range(20) if all(e["category_id"] != i for e in annotations["annotations"]))
    result = {"image_id": 0, "category_id": missing, "bbox": [0, 0, 5, 5], "score": 0.5}
    metrics = evaluate_coco(annotations, [result, result])
    [one] = [each for each in metrics.classes if each.category_id == missing]
    assert (one.detections, one.ground_truth, one.ap, one.ap50, one.ar) == (2, 0, None, None, None)
    assert np.isnan(one.precision).all()
    assert not one.scores.any()


def test_names_of_categories_are_indexed_once() -> None:
    class CountedGroundTruth(CocoGroundTruth):
        reads = 0

        @property
        def categories(self) -> dict[int, str]:
            type(self).reads += 1
            return {category["id"]: category["name"] for category in self.annotations["categories"]}

    annotations = document(50, boxes=50)
    boxes = tuple(StoredBox(None, i, 0.5, (0, 0, 5, 5)) for i in range(50))
    stored = [StoredImage(file="0.jpg", image_id=0, size_hw=None, boxes=boxes, position="row 1")]
    matched = match_results(stored, CountedGroundTruth("gt.json", annotations), "res.json")
    assert len(matched.results) == 50
    assert CountedGroundTruth.reads <= 3


def test_blocks_of_a_crowded_image_match_as_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    annotations = document(5, boxes=400, images=1)
    results = results_of(annotations)
    [together] = match_boxes(annotations, results, score=0.1)
    monkeypatch.setattr(box_matching, "_MAX_PAIRS", 1000)
    [blocks] = match_boxes(annotations, results, score=0.1)
    assert np.array_equal(together.ground_truth_index, blocks.ground_truth_index)
    assert (together.ground_truth_index >= 0).any()
    assert (together.ground_truth_index == box_matching.IGNORED).any()


def test_a_crowded_image_is_matched_in_little_memory() -> None:
    annotations = document(5, boxes=4000, images=1)
    results = results_of(annotations)
    assert peak_bytes(lambda: list(match_boxes(annotations, results, score=0.0))) < 4000 * 4000 * 8 * 2


@pytest.mark.parametrize("shift", [0.0, 300.0])
def test_formats_of_a_crowded_image_are_tried_on_some_boxes(monkeypatch: pytest.MonkeyPatch, shift: float) -> None:
    annotations = document(5, boxes=3000, images=1)
    results = [
        {**entry, "score": 0.5, "bbox": [entry["bbox"][0] + shift, *entry["bbox"][1:]]}
        for entry in annotations["annotations"]
    ]
    sizes: list[int] = []
    overlaps = image_pairs._overlaps

    def counting(first: Any, second: Any) -> Any:
        sizes.append(len(first) * len(second))
        return overlaps(first, second)

    monkeypatch.setattr(image_pairs, "_overlaps", counting)
    ground_truth = CocoGroundTruth("gt.json", annotations)
    check_formats(results, ground_truth, "res.json", format_name="coco-results")
    assert max(sizes) <= 300 * 4000


def test_a_crowded_image_may_have_results_of_other_classes_only() -> None:
    annotations = document(MANY, boxes=4 * 301, images=1)
    unused = set(range(MANY)) - {entry["category_id"] for entry in annotations["annotations"]}
    result = {"image_id": 0, "category_id": min(unused), "bbox": [0.0, 0.0, 20.0, 20.0], "score": 0.5}
    ground_truth = CocoGroundTruth("gt.json", annotations)
    assert check_formats([result], ground_truth, "res.json", format_name="coco-results") == []
    assert ground_truth_notes([result], ground_truth) == []


def test_swapped_corners_of_a_crowded_image_are_still_found() -> None:
    annotations = document(5, boxes=1000, images=1)
    corners = [
        {**e, "score": 0.5, "bbox": [e["bbox"][0], e["bbox"][1], e["bbox"][0] + 20, e["bbox"][1] + 20]}
        for e in annotations["annotations"]
    ]
    notes = check_formats(corners, CocoGroundTruth("gt.json", annotations), "r", format_name="coco-results")
    assert any("look like" in note for note in notes)
