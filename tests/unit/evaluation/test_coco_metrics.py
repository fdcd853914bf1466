"""The figures against pycocotools called directly, its own readers and its own summary, on random data."""

import contextlib
import copy
import importlib.util
import io
from typing import Any

import pytest

from detcli.evaluation.coco_library import Evaluator
from detcli.evaluation.coco_metrics import METRIC_NAMES, Metrics, evaluate_coco
from tests.helpers.evaluation_scenes import random_data

Truth = dict[str, Any]
Results = list[dict[str, Any]]

EVALUATORS: list[Any] = [
    "pycocotools",
    pytest.param(
        "faster-coco-eval",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("faster_coco_eval") is None, reason="faster-coco-eval is not here"
        ),
    ),
]


def directly(truth: Truth, results: Results) -> Any:
    """pycocotools as everybody calls it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def figures(metrics: Metrics) -> list[float]:
    return [-1.0 if value is None else value for value in metrics.by_name.values()]


@pytest.mark.parametrize("by", EVALUATORS)
@pytest.mark.parametrize("seed", range(4))
def test_the_twelve_metrics_equal_those_of_pycocotools(by: Evaluator, seed: int) -> None:
    truth, results = random_data(seed, classes=[7, 3, 40, 2][seed])
    metrics = evaluate_coco(truth, results, by=by)
    assert tuple(metrics.by_name) == METRIC_NAMES
    assert figures(metrics) == pytest.approx(directly(truth, results).stats.tolist(), abs=1e-6)
    assert 0.05 < metrics.ap < 0.95  # else nothing was compared


@pytest.mark.parametrize("by", EVALUATORS)
def test_class_metrics_equal_those_of_pycocotools_for_one_class(by: Evaluator) -> None:
    truth, results = random_data(11)
    metrics = evaluate_coco(truth, results, by=by)
    for one in metrics.classes:
        alone = {**truth, "categories": [c for c in truth["categories"] if c["id"] == one.category_id]}
        stats = directly(alone, results).stats
        assert [-1 if v is None else v for v in (one.ap, one.ap50, one.ar)] == pytest.approx(
            [stats[0], stats[1], stats[8]], abs=1e-6
        )
        theirs = [a for a in truth["annotations"] if a["category_id"] == one.category_id]
        assert one.ground_truth == sum(not a["iscrowd"] for a in theirs)
        assert one.detections == sum(r["category_id"] == one.category_id for r in results)
        if one.ap is not None:
            assert float(one.precision.mean()) == pytest.approx(one.ap)


@pytest.mark.parametrize("by", EVALUATORS)
def test_no_detections_are_zero_and_no_ground_truth_is_none(by: Evaluator) -> None:
    truth, results = random_data(1)
    for entry in truth["annotations"]:
        entry["area"] = 50.0  # small ones only
    none_found = evaluate_coco(truth, [], by=by)
    assert none_found.by_name["AP"] == 0 == none_found.by_name["ARs"]
    assert none_found.by_name["APl"] is None
    nothing_true = evaluate_coco({**truth, "annotations": []}, results, by=by)
    assert set(nothing_true.by_name.values()) == {None}
    assert nothing_true.ap == 0


@pytest.mark.parametrize("by", EVALUATORS)
def test_perfect_results_have_ap_1_whatever_the_ids_of_the_annotations(by: Evaluator) -> None:
    truth, _ = random_data(2)
    for entry in truth["annotations"]:
        entry["iscrowd"] = 0
        entry["id"] = 0  # pycocotools takes the id of a ground truth for "not matched" where it is 0
    results = [
        {key: a[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0} for a in truth["annotations"]
    ]
    assert evaluate_coco(truth, results, by=by).ap == pytest.approx(1)


@pytest.mark.parametrize("by", EVALUATORS)
@pytest.mark.parametrize("section", ["image_id", "category_id"])
def test_ids_of_64_bits_give_the_same_metrics(by: Evaluator, section: str) -> None:
    truth, results = random_data(5)
    plain = evaluate_coco(truth, results, by=by)
    base = 2**63 - 20_000  # neighbors are the same floating-point number
    entries = truth["images" if section == "image_id" else "categories"]
    for entry in entries:
        entry["id"] += base
    for entry in (*truth["annotations"], *results):
        entry[section] += base
    moved = evaluate_coco(truth, results, by=by)
    assert moved.by_name == plain.by_name
    added = base if section == "category_id" else 0
    assert [one.category_id - added for one in moved.classes] == [one.category_id for one in plain.classes]


@pytest.mark.parametrize("by", EVALUATORS)
def test_area_and_iscrowd_may_be_missing(by: Evaluator) -> None:
    truth, results = random_data(3)
    for entry in truth["annotations"]:
        entry |= {"area": entry["bbox"][2] * entry["bbox"][3], "iscrowd": 0}
    bare = copy.deepcopy(truth)
    for entry in bare["annotations"]:
        del entry["area"], entry["iscrowd"]
    assert evaluate_coco(bare, results, by=by).by_name == evaluate_coco(truth, results, by=by).by_name


@pytest.mark.parametrize("by", EVALUATORS)
def test_evaluating_prints_nothing_and_changes_no_arguments(by: Evaluator, capfd: pytest.CaptureFixture[str]) -> None:
    truth, results = random_data(4)
    before = copy.deepcopy((truth, results))
    evaluate_coco(truth, results, by=by)
    assert (truth, results) == before
    assert capfd.readouterr() == ("", "")


def test_the_evaluator_is_named_with_its_version() -> None:
    from importlib.metadata import version

    import pycocotools  # noqa: F401

    truth, results = random_data(5)
    assert evaluate_coco(truth, results, by="pycocotools").evaluator == f"pycocotools {version('pycocotools')}"
    chosen = evaluate_coco(truth, results).evaluator.split()[0]
    assert chosen == ("faster-coco-eval" if importlib.util.find_spec("faster_coco_eval") else "pycocotools")


@pytest.mark.parametrize("wrong", [{"image_id": -7}, {"image_id": "12"}, {"category_id": 12345}])
def test_a_result_of_an_unknown_image_or_category_is_an_error(wrong: dict[str, Any]) -> None:
    truth, results = random_data(6)
    with pytest.raises(ValueError, match="no such image or category"):
        evaluate_coco(truth, [*results, results[0] | wrong])
