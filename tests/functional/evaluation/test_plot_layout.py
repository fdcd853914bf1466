"""The plots of an evaluation at 1, 3, 10, 80 and 300 classes: no text is cut, no names overlap."""

import pytest

from detcli.evaluation.analysis.evaluation_details import evaluation_details
from detcli.evaluation.box_matching import match_boxes
from detcli.evaluation.coco_metrics import evaluate_coco
from detcli.evaluation.confusion_matrix import count_confusion
from detcli.evaluation.plots.calibration_plot import calibration_figure
from detcli.evaluation.plots.confusion_plot import confusion_figure
from detcli.evaluation.plots.errors_plot import errors_figure
from detcli.evaluation.plots.pr_curves import pr_figure
from tests.helpers.evaluation_scenes import scene
from tests.helpers.figures import layout_problems

ODD = ["$x_", "_hidden", "信号灯", "x" * 90]


@pytest.mark.parametrize("count", [1, 3, 10, 80, 300])
def test_no_text_is_cut_and_no_class_names_overlap(count: int) -> None:
    names = [*ODD, *(f"class number {index}" for index in range(count))][:count]
    document, results = scene(names)
    confusion = count_confusion(match_boxes(document, results, score=0.25), dict(enumerate(names, 1)))
    metrics = evaluate_coco(document, results)
    found = evaluation_details(document, results, metrics, score=0.25, samples=0)
    for figure in (
        pr_figure(metrics, score=0.25, curve=found.thresholds.curve),
        confusion_figure(confusion, score=0.25, iou=0.5),
        calibration_figure(found.calibration),
        errors_figure(found.errors, score=0.25),
    ):
        assert layout_problems(figure) == []
