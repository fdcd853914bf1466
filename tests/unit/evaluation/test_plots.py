"""Plots of an evaluation: everything readable at 1, 3, 10 and 80 classes, thresholds and counts where they belong."""

import io
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

from detcli.errors import UsageError
from detcli.evaluation.analysis.best_thresholds import ScoreCurve
from detcli.evaluation.analysis.calibration import calibration
from detcli.evaluation.analysis.class_matches import match_classes
from detcli.evaluation.analysis.detection_errors import detection_errors
from detcli.evaluation.analysis.evaluation_details import evaluation_details
from detcli.evaluation.box_matching import match_boxes
from detcli.evaluation.coco_metrics import ClassMetrics, Metrics, evaluate_coco
from detcli.evaluation.confusion_matrix import ConfusionMatrix, count_confusion
from detcli.evaluation.plots import plot_calibration, plot_confusion_matrix, plot_errors, plot_pr_curves
from detcli.evaluation.plots.calibration_plot import calibration_figure
from detcli.evaluation.plots.confusion_plot import confusion_figure, fractions, top_confusions
from detcli.evaluation.plots.errors_plot import errors_figure
from detcli.evaluation.plots.figures import use_fonts_with_all_letters
from detcli.evaluation.plots.operating_points import THRESHOLDS, operating_points
from detcli.evaluation.plots.pr_curves import pr_figure
from detcli.visualization.text_renderer import TextRenderer
from tests.helpers.evaluation_scenes import scene
from tests.helpers.figures import drawn_texts

ODD = ["$x_", "_hidden", "信号灯", "x" * 90]


def names(count: int) -> list[str]:
    return [*ODD, *(f"class number {index}" for index in range(count))][:count]


def evaluated(count: int) -> tuple[Metrics, ConfusionMatrix]:
    document, results = scene(names(count))
    categories = {category["id"]: category["name"] for category in document["categories"]}
    return evaluate_coco(document, results), count_confusion(match_boxes(document, results, score=0.25), categories)


def score_curve(count: int) -> ScoreCurve:
    return ScoreCurve.of(match_classes(*scene(names(count))))


def test_plots_are_the_same_bytes_each_time() -> None:
    metrics, confusion = evaluated(3)
    found = evaluation_details(*scene(names(3)), metrics, score=0.25, samples=0)
    for draw in (
        lambda: plot_pr_curves(metrics, score=0.25, curve=found.thresholds.curve),
        lambda: plot_calibration(found.calibration),
        lambda: plot_errors(found.errors, score=0.25),
        lambda: plot_confusion_matrix(confusion, score=0.25, iou=0.5),
    ):
        drawn = draw()
        assert drawn == draw()
        with Image.open(io.BytesIO(drawn)) as image:
            assert (image.format, min(image.size) >= 500) == ("PNG", True)


def test_the_matrix_of_few_classes_has_every_count() -> None:
    _, confusion = evaluated(10)
    shown = [text.get_text() for text in drawn_texts(confusion_figure(confusion, score=0.25, iou=0.5))]
    for number in confusion.counts[confusion.counts > 0].tolist():
        assert str(number) in shown
    assert {"background\n(missed)", "background\n(false positive)"} <= set(shown)


def test_the_matrix_of_many_classes_lists_the_most_confused() -> None:
    counts = np.zeros((81, 81), np.int64)
    counts[np.arange(80), np.arange(80)] = 50
    counts[4, 7], counts[7, 4], counts[2, 80], counts[80, 3] = 31, 17, 1234, 99
    confusion = ConfusionMatrix.from_table([f"kind {index}" for index in range(80)], counts)
    assert top_confusions(confusion, 25) == [(4, 7, 31), (7, 4, 17)]
    assert top_confusions(confusion, 1) == [(4, 7, 31)]
    shown = [text.get_text() for text in drawn_texts(confusion_figure(confusion, score=0.25, iou=0.5))]
    assert {"kind 4 → kind 7", "kind 7 → kind 4", "31", "17", "1,234", "99", "kind 0", "kind 79"} <= set(shown)
    assert "50" not in shown


def test_letters_that_the_font_lacks_take_one_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib_font = Path(matplotlib.get_data_path(), "fonts", "ttf", "STIXGeneral.ttf")
    monkeypatch.setattr(TextRenderer, "font_of", lambda _, letter: matplotlib_font if letter == "信" else None)
    _, confusion = evaluated(3)
    figure = confusion_figure(confusion, score=0.25, iou=0.5)
    use_fonts_with_all_letters(figure)
    files = {text.get_text(): text.get_fontproperties().get_file() for text in drawn_texts(figure)}
    assert files["信号灯"] == str(matplotlib_font)
    assert files["hidden"] is None


def test_background_has_its_own_scale_and_hides_no_confusion() -> None:
    counts = np.array([[8, 2, 10], [0, 20, 0], [5000, 0, 0]], np.int64)
    rows, columns = fractions(counts, counts.sum(axis=1), counts.sum(axis=0))
    assert rows[0].tolist() == [0.4, 0.1, 0.5]
    assert columns[2, 0] == pytest.approx(5000 / 5008)
    pixels = _pixels(plot_confusion_matrix(ConfusionMatrix.from_table(("cat", "dog"), counts), score=0.25, iou=0.5))
    red, blue = pixels[..., 0].astype(int), pixels[..., 2].astype(int)
    assert ((red - blue) > 80).sum() > 1000, "the background is orange"
    assert ((blue - red) > 60).sum() > 1000, "the classes are blue"


def _pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def curve(*steps: tuple[int, float, float]) -> ClassMetrics:
    """A class with precision and score up to each recall of a percentage."""
    precision, scores, first = np.zeros((10, 101)), np.zeros(101), 0
    for percent, value, score in steps:
        precision[:, first : percent + 1], scores[first : percent + 1], first = value, score, percent + 1
    return ClassMetrics("cat", 1, 100, 100, 0.5, 0.5, 0.5, precision, scores)


def test_a_threshold_reaches_the_recall_of_the_scores_above_it() -> None:
    points = operating_points([curve((40, 1.0, 0.9), (80, 0.5, 0.3))])
    at = {round(float(threshold), 2): index for index, threshold in enumerate(THRESHOLDS)}
    assert points.recall[0, at[0.1]] == pytest.approx(0.8)
    assert points.precision[0, at[0.1]] == pytest.approx(0.5)
    assert points.recall[0, at[0.5]] == pytest.approx(0.4)
    assert points.precision[0, at[0.5]] == pytest.approx(1.0)
    assert np.isnan(points.precision[0, at[0.95]])


def test_both_thresholds_are_marked() -> None:
    metrics, _ = evaluated(3)
    found = score_curve(3)
    best = found.best()
    assert best is not None
    legends = " | ".join(text.get_text() for text in drawn_texts(pr_figure(metrics, score=0.4, curve=found)))
    assert "score 0.4, in use" in legends
    assert f"score {best.threshold:g}, highest F1\nF1 {best.f1:.2f}, precision {best.precision:.2f}" in legends


def test_the_reliability_diagram_has_a_bar_for_each_range_of_scores() -> None:
    found = calibration(score_curve(3))
    filled = [each for each in found.bins if each.detections]
    figure = calibration_figure(found)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == [each.precision for each in filled]
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == found.detections
    assert f"expected calibration error {found.error:.3f}" in figure.axes[0].get_title(loc="left")


def test_each_type_of_error_has_a_bar_with_its_number() -> None:
    document, results = scene(names(3))
    found = detection_errors(document, results, score=0.25)
    figure = errors_figure(found, score=0.25)
    lost, shown = ([bar.get_width() for bar in axes.patches] for axes in figure.axes)
    assert lost == list(found.gains.values())
    assert shown == list(found.counts.values())
    texts = [text.get_text() for text in drawn_texts(figure)]
    assert {*found.gains, *(f"{gain:.3f}" for gain in found.gains.values())} <= set(texts)


def test_scores_of_the_curves_are_those_of_both_libraries() -> None:
    document, results = scene(names(5))
    ours, reference = (evaluate_coco(document, results, by=by).classes for by in ("faster-coco-eval", "pycocotools"))
    for one, other in zip(ours, reference, strict=True):
        np.testing.assert_allclose(one.scores, other.scores)
        assert one.scores[0] == max(entry["score"] for entry in results if entry["category_id"] == one.category_id)


def test_plots_without_ground_truth_are_empty_axes() -> None:
    document, results = scene(names(2))
    empty = document | {"annotations": []}
    metrics = evaluate_coco(empty, results)
    nothing = ScoreCurve.of(match_classes(empty, []))
    figure = pr_figure(metrics, score=0.25, curve=nothing)
    assert "no class has ground truth" in [text.get_text() for text in drawn_texts(figure)]
    texts = [text.get_text() for text in drawn_texts(calibration_figure(calibration(nothing)))]
    assert "no detections with scores above 0.05" in texts
    figure = errors_figure(detection_errors(empty, [], score=0.25), score=0.25)
    assert {bar.get_width() for bar in figure.axes[0].patches} == {0}


def test_plots_without_matplotlib_name_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics, _ = evaluated(1)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install matplotlib scipy"):
        plot_pr_curves(metrics, score=0.25, curve=score_curve(1))
