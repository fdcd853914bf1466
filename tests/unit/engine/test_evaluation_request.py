"""The requests of evaluation and training check their arguments and name them."""

from typing import Any

import pytest

from detcli.engine.requests.evaluation_request import EvaluationRequest
from detcli.engine.requests.run_settings import ModelSettings
from detcli.engine.requests.training_request import TrainingRequest
from detcli.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing to evaluate: give `results` with `ground_truth`, or `model` with `data`"),
        ({"results": "r.jsonl"}, "missing `ground_truth`: ground-truth annotations for 'r.jsonl'"),
        ({"results": "r.jsonl", "ground_truth": "gt.json", "data": "d"}, "`data` is for evaluating a model"),
        (
            {"results": "r.jsonl", "ground_truth": "gt.json", "model": ModelSettings()},
            "`model` is for evaluating a model",
        ),
        ({"data": "d", "ground_truth": "gt.json"}, "`ground_truth` is for stored results"),
        ({"data": "d", "results_format": "csv"}, "`results_format` is for stored results"),
        ({"data": "d", "iou_type": "boxes"}, "`iou_type` must be one of bbox, segm, panoptic"),
        ({"data": "d", "iou_type": "panoptic", "save_plots": "p"}, "`save_plots` is for AP"),
        ({"data": "d", "score": 1.5}, "`score` must be a number from 0 to 1"),
        ({"data": "d", "worst": 0}, "`worst` must be at least 1"),
        ({"data": "d", "output": "report.txt"}, "the report is JSON: 'report.txt' must end in .json"),
    ],
)
def test_invalid_values_of_an_evaluation_are_usage_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        EvaluationRequest(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"data": 3}, "data"), ({"data": "d", "score": "0.5"}, "score"), ({"data": "d", "worst": 2.5}, "worst")],
)
def test_wrong_types_of_an_evaluation_are_type_errors(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(TypeError, match=f"`{name}` must be"):
        EvaluationRequest(**arguments)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"data": None}, TypeError, "`data` must be"),
        ({"data": "d", "changes": ["epochs=3"]}, TypeError, "`changes` must be"),
        ({"data": "d", "scratch": 1}, TypeError, "`scratch` must be"),
        ({"data": "d", "output": "-"}, UsageError, "name a folder with `output`"),
        ({"data": "d", "workers": 0}, UsageError, "`workers` must be at least 1"),
        ({"data": "d", "if_exists": "keep"}, UsageError, "`if_exists` must be one of"),
    ],
)
def test_invalid_arguments_of_a_training_are_errors(
    arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        TrainingRequest(**arguments)
    assert message in str(caught.value)
