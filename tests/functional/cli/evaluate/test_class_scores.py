"""Mistakes count above the thresholds of classes where a run had them, of results, models and comparisons."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detcli.cli.setup.demo import BUNDLED_IMAGES
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]
IMAGES, TRUTH = str(BUNDLED_IMAGES), str(BUNDLED_IMAGES / "ground_truth.json")
MODEL = ("-m", "shapes", "-d", "cpu", "--nms", "0.7")
OWN = ("-t", "0.5,heart=0.1,bolt=0.7")
COUNTED = ("true_positives", "misclassified", "false_positives")


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detcli: Detcli) -> None:
    """Results with and without thresholds of classes, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    for name, threshold in (("own.jsonl", OWN), ("usual.jsonl", ("-t", "0.5"))):
        assert detcli("detect", IMAGES, *MODEL, *threshold, "-o", name, "--header").code == 0


def confusion_of(detcli: Detcli, *arguments: str) -> tuple[dict[str, Any], str]:
    """The confusion matrix of the report, and the printed tables."""
    done = detcli("eval", *arguments, "-o", "report.json", "-y", "--bootstrap", "0")
    assert done.code == 0, done.err
    confusion: dict[str, Any] = json.loads(Path("report.json").read_text())["confusion"]
    return confusion, done.out


def boxes(name: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in Path(name).read_bytes().splitlines()[1:]]
    return [box for record in records for box in record["detections"]]


def test_each_detection_of_the_results_counts(detcli: Detcli) -> None:
    """It is above the threshold of its class, if not above the usual one."""
    confusion, shown = confusion_of(detcli, "own.jsonl", "--gt", TRUTH)
    assert (confusion["score"], confusion["class_scores"]) == (0.5, {"heart": 0.1, "bolt": 0.7})
    assert sum(confusion[name] for name in COUNTED) == len(boxes("own.jsonl"))
    assert any(box["score"] < 0.5 for box in boxes("own.jsonl"))
    assert "scores above 0.5, heart 0.1, bolt 0.7 (the threshold of the results):" in " ".join(shown.split())


def test_a_model_counts_as_its_results_do(detcli: Detcli) -> None:
    of_model, _ = confusion_of(detcli, *MODEL, "--data", TRUTH, *OWN)
    of_results, _ = confusion_of(detcli, "own.jsonl", "--gt", TRUTH)
    assert of_model["class_scores"] == of_results["class_scores"]
    assert [of_model[name] for name in COUNTED] == [of_results[name] for name in COUNTED]


def test_a_given_score_is_of_all_classes(detcli: Detcli) -> None:
    confusion, _ = confusion_of(detcli, "own.jsonl", "--gt", TRUTH, "--score", "0.5")
    assert "class_scores" not in confusion
    assert sum(confusion[name] for name in COUNTED) == sum(box["score"] > 0.5 for box in boxes("own.jsonl"))


def test_compared_results_have_their_own_scores(detcli: Detcli) -> None:
    done = detcli("eval", "usual.jsonl", "own.jsonl", "--gt", TRUTH, "-o", "report.json", "--bootstrap", "0")
    assert done.code == 0, done.err
    assert "own.jsonl, scores above 0.5, heart 0.1, bolt 0.7" in " ".join(done.out.split())
    text = Path("report.json").read_text()
    assert text.count('"class_scores"') == 1
