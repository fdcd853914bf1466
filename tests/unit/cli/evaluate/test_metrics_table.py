"""The table of `detcli eval` on screens of any width."""

from collections.abc import Callable

import numpy as np
import pytest
from rich.cells import cell_len

from detcli.cli.evaluate.details_table import details_lines
from detcli.cli.evaluate.metrics_table import metrics_table
from detcli.evaluation.analysis.evaluation_details import evaluation_details
from detcli.evaluation.box_matching import match_boxes
from detcli.evaluation.coco_metrics import METRIC_NAMES, ClassMetrics, Metrics, evaluate_coco
from detcli.evaluation.confusion_matrix import ConfusionMatrix, count_confusion
from detcli.evaluation.report import EvaluationReport
from tests.helpers.evaluation_scenes import scene

NAMES = ("cat", "信号灯" * 12, "traffic light", "evil\x1b[31m")


def detailed(names: tuple[str, ...] = NAMES) -> EvaluationReport:
    """A report of results, with everything that `eval` computes."""
    document, results = scene(names)
    for index, image in enumerate(document["images"]):
        image["width"] = 640 + index
    metrics = evaluate_coco(document, results)
    confusion = count_confusion(match_boxes(document, results, score=0.4), dict(enumerate(names, 1)))
    details = evaluation_details(document, results, metrics, score=0.4, samples=20)
    return EvaluationReport(metrics, confusion, 0.4, 0.5, [], {}, {}, "now", details=details)


def report() -> EvaluationReport:
    by_name: dict[str, float | None] = dict.fromkeys(METRIC_NAMES, 0.5)
    curves = np.full((10, 101), 0.5)
    classes = [ClassMetrics(name, n, 1234567, 9, 0.5, None, 0.25, curves, curves[0]) for n, name in enumerate(NAMES)]
    metrics = Metrics(by_name | {"APl": None}, tuple(classes), 4, "pycocotools 2")
    confusion = ConfusionMatrix(NAMES, np.full((5, 5), 1000))
    return EvaluationReport(metrics, confusion, 0.25, 0.5, [], {}, {}, "now")


@pytest.mark.parametrize("make", [report, detailed])
@pytest.mark.parametrize("width", [40, 44, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_screen(width: int, make: Callable[[], EvaluationReport]) -> None:
    lines = list(metrics_table(make(), width=width, bold=False))
    assert max(map(cell_len, lines)) <= width
    assert [line.split()[0] for line in lines[:12]] == list(METRIC_NAMES)


def test_what_is_not_there_is_a_dash_and_names_are_escaped() -> None:
    text = "\n".join(metrics_table(report(), width=100, bold=False))
    assert "APl        -  large" in text
    assert "\x1b" not in text
    assert "evil\\x1b[31m" in text


@pytest.mark.parametrize("make", [report, detailed])
def test_weights_of_letters_change_no_word(make: Callable[[], EvaluationReport]) -> None:
    plain, bold = ("\n".join(metrics_table(make(), width=90, bold=wanted)) for wanted in (False, True))
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[0m"):
        assert code in bold
        bold = bold.replace(code, "")
    assert bold == plain


def test_a_class_has_its_best_threshold_where_there_is_space() -> None:
    made = detailed(("cat", "dog"))
    assert made.details is not None
    wide = {line.split()[0]: line.split() for line in metrics_table(made, width=100, bold=False) if line}
    assert wide["class"][-4:] == ["best", "score", "precision", "recall"]
    for category_id, name in ((1, "cat"), (2, "dog")):
        point = made.details.thresholds.classes[category_id]
        assert wide[name][-3:] == [f"{point.threshold:g}", f"{point.precision:.3f}", f"{point.recall:.3f}"]
    assert "best score" not in "\n".join(metrics_table(made, width=70, bold=False)).partition("best score threshold")[0]


def test_thresholds_intervals_calibration_and_errors_are_shown() -> None:
    made = detailed(("cat", "dog"))
    details = made.details
    assert details is not None
    assert details.thresholds.best is not None
    assert details.intervals is not None
    interval = details.intervals.metrics["AP"]
    assert interval is not None
    text = " ".join(" ".join(metrics_table(made, width=100, bold=False)).split())
    assert f"best score threshold {details.thresholds.best.threshold:g}: F1 {details.thresholds.best.f1:.3f}" in text
    assert f"95% confidence intervals: AP {interval.low:.3f} to {interval.high:.3f}" in text
    assert "(20 bootstrap samples of the images)" in text
    assert (
        f"expected calibration error {details.calibration.error:.3f} of {details.calibration.detections} detections"
        in text
    )
    for name, gain in details.errors.gains.items():
        assert f"{name} {gain:.3f} {details.errors.counts[name]}" in text
    missed = sum(details.errors.misses.values())
    assert f"{details.errors.truth - missed} of {details.errors.truth} objects detected" in text
    for name in ("small", "medium", "large"):
        assert text.count(f" {name} ") >= 2  # of objects and of images


def test_without_a_bootstrap_no_interval_is_shown() -> None:
    document, results = scene(("cat", "dog"))
    metrics = evaluate_coco(document, results)
    details = evaluation_details(document, results, metrics, score=0.4, samples=0)
    assert "confidence" not in " ".join(details_lines(details, width=100, bold=False))
