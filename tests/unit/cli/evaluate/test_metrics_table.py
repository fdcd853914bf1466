"""The table of `detcli eval` on screens of any width."""

import numpy as np
import pytest
from rich.cells import cell_len

from detcli.cli.evaluate.metrics_table import metrics_table
from detcli.evaluation.coco_metrics import METRIC_NAMES, ClassMetrics, Metrics
from detcli.evaluation.confusion_matrix import ConfusionMatrix
from detcli.evaluation.report import EvaluationReport

NAMES = ("cat", "信号灯" * 12, "traffic light", "evil\x1b[31m")


def report() -> EvaluationReport:
    by_name: dict[str, float | None] = dict.fromkeys(METRIC_NAMES, 0.5)
    curves = np.full((10, 101), 0.5)
    classes = [ClassMetrics(name, n, 1234567, 9, 0.5, None, 0.25, curves, curves[0]) for n, name in enumerate(NAMES)]
    metrics = Metrics(by_name | {"APl": None}, tuple(classes), 4, "pycocotools 2")
    confusion = ConfusionMatrix(NAMES, np.full((5, 5), 1000))
    return EvaluationReport(metrics, confusion, 0.25, 0.5, [], {}, {}, "now")


@pytest.mark.parametrize("width", [40, 44, 60, 80, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    lines = list(metrics_table(report(), width=width, bold=False))
    assert max(map(cell_len, lines)) <= width
    assert [line.split()[0] for line in lines[:12]] == list(METRIC_NAMES)


def test_what_is_not_there_is_a_dash_and_names_are_escaped() -> None:
    text = "\n".join(metrics_table(report(), width=100, bold=False))
    assert "APl        -  large" in text
    assert "\x1b" not in text
    assert "evil\\x1b[31m" in text


def test_weights_of_letters_change_no_word() -> None:
    plain, bold = ("\n".join(metrics_table(report(), width=90, bold=wanted)) for wanted in (False, True))
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[0m"):
        assert code in bold
        bold = bold.replace(code, "")
    assert bold == plain
