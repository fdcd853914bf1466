"""Two results on one ground truth: differences, intervals, objects and images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from detcli.cli.evaluate.comparison_table import comparison_table
from detcli.engine.evaluate import EvaluationRequest, evaluate
from detcli.errors import DataError, UsageError
from detcli.evaluation.analysis.bootstrap import image_weights
from detcli.evaluation.coco_metrics import METRIC_NAMES, evaluate_coco
from detcli.evaluation.comparison.comparison_report import ComparisonReport
from tests.helpers.evaluation_scenes import scene
from tests.unit.evaluation.analysis.test_class_matches import copied

Json = dict[str, Any]
NAMES = ("cat", "dog", "信号灯" * 12)


def worsened(results: list[Json], *, share: float, seed: int = 1) -> list[Json]:
    """Some of the boxes are moved away."""
    rng = np.random.default_rng(seed)
    return [
        {**one, "bbox": [one["bbox"][0] + (300.0 if rng.random() < share else 0.0), *one["bbox"][1:]]}
        for one in results
    ]


def written(folder: Path, name: str, document: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(document))
    return path


def compared(folder: Path, first: list[Json], second: list[Json], truth: Json, **settings: Any) -> ComparisonReport:
    request = EvaluationRequest(
        results=written(folder, "first.json", first),
        against=written(folder, "second.json", second),
        ground_truth=written(folder, "gt.json", truth),
        **{"bootstrap": 40, "score": 0.4, **settings},
    )
    result = evaluate(request)
    assert result is not None
    assert isinstance(result.report, ComparisonReport)
    assert result.metrics == result.report.metrics_by_name
    return result.report


def test_differences_are_those_of_two_evaluations(tmp_path: Path) -> None:
    truth, results = scene(NAMES)
    worse = worsened(results, share=0.3)
    report = compared(tmp_path, results, worse, truth)
    own, other = (evaluate_coco(truth, one) for one in (results, worse))
    assert tuple(report.metrics) == METRIC_NAMES
    for name, value in report.metrics.items():
        assert (value.first, value.second) == pytest.approx((own.by_name[name], other.by_name[name]))
    for each, first, second in zip(report.classes, own.classes, other.classes, strict=True):
        assert (each.name, each.ap.first, each.ap.second) == (first.name, first.ap, second.ap)
    assert report.metrics["AP"].is_clear
    assert report.metrics["AP"].difference == pytest.approx(other.ap - own.ap)


def test_intervals_are_of_differences_on_the_same_drawn_images(tmp_path: Path) -> None:
    truth, results = scene(("cat", "dog"), images=10)
    worse = worsened(results, share=0.3)
    report = compared(tmp_path, results, worse, truth, bootstrap=40)
    differences = []
    for row in image_weights(10, 40).astype(int).tolist():
        own, other = (evaluate_coco(*copied(truth, one, row), by="pycocotools").ap for one in (results, worse))
        differences.append(other - own)
    interval = report.metrics["AP"].interval
    assert interval is not None
    assert interval.to_json() == pytest.approx(np.quantile(differences, [0.025, 0.975]).tolist(), abs=1e-9)


def test_the_same_results_differ_nowhere(tmp_path: Path) -> None:
    truth, results = scene(NAMES)
    report = compared(tmp_path, results, results, truth)
    assert set(report.metrics_by_name.values()) <= {0.0, None}
    assert not any(value.is_clear for value in report.metrics.values())
    assert (report.better, report.worse) == (0, 0)
    assert np.count_nonzero(report.outcomes - np.diag(np.diag(report.outcomes))) == 0
    assert report.outcomes.sum() == len(truth["annotations"])


def test_changing_sides_changes_signs(tmp_path: Path) -> None:
    truth, results = scene(NAMES)
    worse = worsened(results, share=0.3)
    there, back = compared(tmp_path, results, worse, truth), compared(tmp_path, worse, results, truth)
    assert (there.outcomes == back.outcomes.T).all()
    assert (there.better, there.worse) == (back.worse, back.better)
    for name, value in there.metrics.items():
        opposite = back.metrics[name]
        assert value.difference == (None if opposite.difference is None else pytest.approx(-opposite.difference))
        if value.interval is not None and opposite.interval is not None:
            assert value.interval.low == pytest.approx(-opposite.interval.high)


def test_objects_are_counted_by_their_outcome_in_both(tmp_path: Path) -> None:
    truth, _ = scene(("cat", "dog"), images=1, seed=3)
    boxes = truth["annotations"][:1]
    truth = {**truth, "annotations": boxes}
    right = {**{key: boxes[0][key] for key in ("image_id", "category_id", "bbox")}, "score": 0.9}
    wrong = {**right, "category_id": 3 - right["category_id"]}
    extra = {**right, "bbox": [500.0, 400.0, 30.0, 30.0]}
    report = compared(tmp_path, [right], [right, wrong], truth)
    assert (report.outcomes.tolist(), report.worse) == ([[1, 0, 0], [0, 0, 0], [0, 0, 0]], 1)
    report = compared(tmp_path, [right, extra], [wrong, extra, right], truth, score=0.3)
    assert report.outcomes.sum() == 1
    report = compared(tmp_path, [right, wrong | {"score": 0.1}], [wrong, right | {"score": 0.1}], truth)
    assert report.outcomes.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    own, other = ({1: "cat", 2: "dog"}[one["category_id"]] for one in (right, wrong))
    assert report.to_dict()["disagreements"] == [{"ground_truth": own, "first": own, "second": other, "count": 1}]
    missed = compared(tmp_path, [right | {"score": 0.1}], [right], truth)
    assert [(one.first, one.second) for one in missed.disagreements] == [(None, own)]
    assert f"most frequent changes: {own} missed -> as {own}: 1" in "\n".join(
        comparison_table(missed, width=100, bold=False)
    )


def test_disagreements_add_up_to_the_objects_with_another_outcome(tmp_path: Path) -> None:
    truth, results = scene(NAMES)
    rng = np.random.default_rng(2)
    other = [
        {**one, "category_id": int(rng.integers(1, 4)) if rng.random() < 0.4 else one["category_id"]} for one in results
    ]
    report = compared(tmp_path, results, worsened(other, share=0.2), truth)
    counts = [one.count for one in report.disagreements]
    assert counts == sorted(counts, reverse=True)
    changed = int(report.outcomes.sum() - np.trace(report.outcomes))
    between_wrong = sum(
        one.count
        for one in report.disagreements
        if None not in (one.first, one.second) and one.ground_truth not in (one.first, one.second)
    )
    assert sum(counts) == changed + between_wrong


def test_the_report_is_json_with_every_part(tmp_path: Path) -> None:
    truth, results = scene(NAMES)
    report = compared(tmp_path, results, worsened(results, share=0.3), truth)
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert [each["name"] for each in document["metrics"]] == list(METRIC_NAMES)
    assert np.sum(document["outcomes"]["counts"]) == len(truth["annotations"])
    images = document["images"]
    assert images["better"] + images["worse"] + images["unchanged"] == len(truth["images"])
    assert len(images["changes"]) == images["better"] + images["worse"]
    assert document["first"]["results"].endswith("first.json")
    assert document["second"]["mistakes"] - document["first"]["mistakes"] == sum(
        each["second"] - each["first"] for each in images["changes"]
    )


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_of_the_table_is_wider_than_the_screen(width: int, tmp_path: Path) -> None:
    truth, results = scene(NAMES)
    report = compared(tmp_path, results, worsened(results, share=0.3), truth)
    lines = list(comparison_table(report, width=width, bold=False))
    longest = max(cell_len(word) for line in lines for word in line.split())
    assert max(map(cell_len, lines)) <= max(width, longest)
    assert any(line.startswith("AP ") and "*" in line for line in lines)
    plain = "\n".join(line for line in comparison_table(report, width=width, bold=True))
    assert plain.replace("\x1b[1m", "").replace("\x1b[0m", "").split() == " ".join(lines).split()


def test_results_of_other_images_are_refused(tmp_path: Path) -> None:
    truth, results = scene(("cat", "dog"))
    halves = [[one for one in results if one["image_id"] % 2 == part] for part in (0, 1)]
    with pytest.raises(DataError, match="no image has detections in both"):
        compared(tmp_path, halves[0], halves[1], truth)


def lines_of(names: list[str], label: str = "cat") -> str:
    box = {"label": label, "label_id": 0, "category_id": 1, "score": 0.9, "bbox": [1, 2, 30, 40]}
    return "".join(
        json.dumps({"file": name, "width": 640, "height": 480, "detections": [box]}) + "\n" for name in names
    )


def test_results_that_list_other_images_are_refused(tmp_path: Path) -> None:
    truth, _ = scene(("cat", "dog"), images=5)
    gt = written(tmp_path, "gt.json", truth)
    (tmp_path / "a.jsonl").write_text(lines_of([f"{number}.jpg" for number in (1, 2, 3, 4)]))
    (tmp_path / "b.jsonl").write_text(lines_of([f"{number}.jpg" for number in (2, 3, 4, 5)]))
    request = EvaluationRequest(results=tmp_path / "a.jsonl", against=tmp_path / "b.jsonl", ground_truth=gt)
    with pytest.raises(
        DataError, match=r"different images: 1 only in '.*a\.jsonl' \('1\.jpg'\) and 1 only in .*'5\.jpg'"
    ):
        evaluate(request)


def test_results_without_a_common_class_are_refused(tmp_path: Path) -> None:
    truth, results = scene(("cat", "dog"))
    cats, dogs = ([one for one in results if one["category_id"] == category] for category in (1, 2))
    with pytest.raises(DataError, match=r"different classes: '.*first.json' has 'cat', '.*second.json' has 'dog'"):
        compared(tmp_path, cats, dogs, truth)
    assert any("has detections of 'dog'" in note for note in compared(tmp_path, results, cats, truth).notes)


def test_a_second_file_without_ground_truth_may_be_meant_as_it() -> None:
    with pytest.raises(UsageError, match=r"if 'b\.json' are the annotations, give it as `ground_truth`"):
        EvaluationRequest(results=Path("a.json"), against=Path("b.json"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"results": None, "data": "shapes"}, "`against` needs `results`"),
        ({"iou_type": "panoptic"}, "compared by AP"),
        ({"save_plots": Path("p")}, "`save_plots` is for one evaluation"),
    ],
)
def test_what_needs_one_evaluation_is_refused(settings: Json, message: str) -> None:
    given: Json = {"results": Path("a.json"), "against": Path("b.json"), "ground_truth": Path("gt.json")}
    if settings.get("results", "") is None:
        given.pop("ground_truth")
    with pytest.raises(UsageError, match=message):
        EvaluationRequest(**{**given, **settings})
