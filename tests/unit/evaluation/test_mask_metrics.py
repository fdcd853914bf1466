"""Masks evaluated by the reference library as pycocotools evaluates them when it is called directly."""

import contextlib
import copy
import importlib.util
import io
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from detcli.errors import DataError
from detcli.evaluation.coco_ground_truth import read_ground_truth
from detcli.evaluation.coco_library import Evaluator
from detcli.evaluation.coco_metrics import evaluate_coco
from detcli.evaluation.results.result_matching import match_results
from detcli.io.results import read_results
from detcli.structures.masks import Rle
from tests.helpers.mask_scenes import random_data

EVALUATORS = [
    one for one in get_args(Evaluator) if one == "pycocotools" or importlib.util.find_spec("faster_coco_eval")
]


def directly(ground_truth: dict[str, Any], results: list[dict[str, Any]]) -> list[float]:
    """As results of masks are evaluated: with boxes next to them, pycocotools would take the boxes' sizes for the masks'."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}} | copy.deepcopy(ground_truth)  # pycocotools 2.0.10 needs "info"
        coco.createIndex()
        evaluation = COCOeval(
            coco, coco.loadRes([{k: v for k, v in one.items() if k != "bbox"} for one in results]), "segm"
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


@pytest.mark.parametrize("by", EVALUATORS)
@pytest.mark.parametrize("seed", range(3))
def test_the_twelve_metrics_equal_those_of_pycocotools(by: Evaluator, seed: int) -> None:
    truth, results = random_data(seed)
    metrics = evaluate_coco(truth, results, iou_type="segm", by=by)
    figures = [-1.0 if value is None else value for value in metrics.by_name.values()]
    assert figures == pytest.approx(directly(truth, results), abs=1e-6)
    assert 0.05 < metrics.ap < 0.95
    assert metrics.ap != evaluate_coco(truth, results, by=by).ap, "boxes overlap otherwise"


def test_results_without_masks_are_refused(tmp_path: Path) -> None:
    ground_truth, results = random_data(0)
    (tmp_path / "gt.json").write_text(json.dumps(ground_truth))
    read = read_ground_truth(tmp_path / "gt.json", masks=True)
    for change, words in (
        (lambda one: one.pop("segmentation"), "a box has no RLE mask"),
        (lambda one: one.update(segmentation=Rle.of(np.ones((3, 3), bool)).as_json()), r"a mask is for \[3, 3\]"),
    ):
        wrong = copy.deepcopy(results)
        change(wrong[4])
        (tmp_path / "r.json").write_text(json.dumps(wrong))
        with pytest.raises(DataError, match=words):
            match_results(
                read_results(tmp_path / "r.json", format_name="coco-results", sizes={}), read, "r.json", masks=True
            )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["annotations"][2].pop("segmentation"), "annotation 2 has no mask|it has no mask"),
        (lambda d: d["annotations"][2].update(segmentation=[[1, 2]]), "it has no mask"),
        (lambda d: d["images"][0].pop("height"), "has no width and height"),
        (
            lambda d: d["annotations"][2].update(segmentation=Rle.of(np.ones((3, 3), bool)).as_json()),
            r"is for \[3, 3\]",
        ),
    ],
)
def test_annotations_without_masks_are_refused(tmp_path: Path, change: Any, words: str) -> None:
    ground_truth, _ = random_data(0)
    change(ground_truth)
    (tmp_path / "gt.json").write_text(json.dumps(ground_truth))
    with pytest.raises(DataError, match=words):
        read_ground_truth(tmp_path / "gt.json", masks=True)
    read_ground_truth(tmp_path / "gt.json")
