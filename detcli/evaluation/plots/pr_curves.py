"""Precision-recall curves, and the metrics over the score threshold, as PNG."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detcli.evaluation.analysis.best_thresholds import OperatingPoint, ScoreCurve
from detcli.evaluation.coco_metrics import IOUS, RECALLS, ClassMetrics, Metrics
from detcli.evaluation.plots.figures import (
    FAINT,
    INK,
    line_style,
    new_figure,
    open_axes,
    outer_legend,
    own_style,
    set_title,
    short_name,
    to_png,
)
from detcli.evaluation.plots.operating_points import THRESHOLDS, operating_points
from detcli.visualization import okabe_ito

_MAX_CURVES = 500  # of classes without a name; more would be one gray area
_MAX_NAMED = 10  # classes with a color and a name; of more, the best and the worst
_USED, _BEST = okabe_ito.as_hex(okabe_ito.VERMILION), okabe_ito.as_hex(okabe_ito.BLUE)


def plot_pr_curves(metrics: Metrics, *, score: float, curve: ScoreCurve) -> bytes:
    """The figure of `pr_figure` as PNG.

    Raises UsageError if matplotlib is missing, naming the packages to install.
    """
    return to_png(pr_figure(metrics, score=score, curve=curve))


@own_style
def pr_figure(metrics: Metrics, *, score: float, curve: ScoreCurve) -> Any:
    """Precision over recall, for the mean of the classes and for each class, and both over the score threshold.

    score  the threshold in use; it is marked, as is the one with the highest F1
    curve  the detections of all classes together
    """
    figure = new_figure(20.0, 5.4)
    means, classes, over_score = figure.subplots(1, 3)
    evaluated = [each for each in metrics.classes if each.ap is not None]
    _precision_recall_axes(means, _mean_title(metrics, len(evaluated)))
    _precision_recall_axes(classes, f"each class at {_overlap(metrics)} 0.50")
    over_score.set(xlabel="score threshold (0 to 1)", ylabel="all classes together (0 to 1)")
    _unit_axes(over_score, f"by score threshold, at {_overlap(metrics)} 0.50")
    if evaluated:
        marks = _marks(curve, score)
        _plot_means(means, evaluated)
        _plot_classes(classes, sorted(evaluated, key=lambda each: -(each.ap50 or 0)), marks)
        _plot_over_score(over_score, curve, marks)
    return figure


def _overlap(metrics: Metrics) -> str:
    return "mask IoU" if metrics.iou_type == "segm" else "IoU"


def _mean_title(metrics: Metrics, count: int) -> str:
    if not count:
        return "no class has ground truth"
    ap = "-" if metrics.by_name["AP"] is None else f"{metrics.by_name['AP']:.3f}"
    return f"AP {ap}, the mean of {count} class{'' if count == 1 else 'es'}"


def _plot_means(axes: Any, classes: Sequence[ClassMetrics]) -> None:
    """The mean curve at each IoU."""
    from matplotlib import colormaps

    curves = np.mean([each.precision for each in classes], axis=0)  # [10, 101]
    for index, (iou, curve) in enumerate(zip(IOUS, curves, strict=True)):
        shade = colormaps["cividis"](0.9 * index / (len(IOUS) - 1))
        axes.plot(RECALLS, curve, color=shade, linewidth=1.5, label=f"{iou:.2f}: {curve.mean():.3f}")
    outer_legend(axes, "IoU: AP")


_Mark = tuple[OperatingPoint, str, dict[str, Any]]


def _marks(curve: ScoreCurve, score: float) -> list[_Mark]:
    """Point, name and style of the threshold with the highest F1, if anything matches, and of the one in use."""
    common = {"linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 0.6, "zorder": 5}
    best = curve.best()
    marks: list[_Mark] = [(curve.at(score), "in use", {"marker": "o", "color": _USED, **common})]
    return marks if best is None else [(best, "highest F1", {"marker": "D", "color": _BEST, **common}), *marks]


def _plot_classes(axes: Any, classes: Sequence[ClassMetrics], marks: Sequence[_Mark]) -> None:
    """One line per class with the two thresholds; of many classes, only the best and the worst have a name.

    Of the others, at most 500 are drawn, evenly spaced by their AP50.
    """
    half = _MAX_NAMED // 2
    named = list(classes) if len(classes) <= _MAX_NAMED else [*classes[:half], *classes[-half:]]
    named_ids = {each.category_id for each in named}
    for each in _evenly_spaced([each for each in classes if each.category_id not in named_ids]):
        axes.plot(RECALLS, each.precision[0], color=FAINT, linewidth=0.7)
    for index, each in enumerate(named):
        label = f"{short_name(each.name)}: {each.ap50:.3f}"
        axes.plot(RECALLS, each.precision[0], linewidth=1.5, label=label, **line_style(index))
    if len(classes) > 1:
        mean = np.mean([each.precision[0] for each in classes], axis=0)
        axes.plot(RECALLS, mean, color=INK, linewidth=2.6, label=f"mean of {len(classes)}: {mean.mean():.3f}")
    own = operating_points(named)
    for point, name, style in marks:
        index, label = int(np.abs(THRESHOLDS - point.threshold).argmin()), f"score {point.threshold:g}, {name}"
        axes.plot(own.recall[:, index], own.precision[:, index], markersize=5, label=label, **style)
    is_complete = len(named) == len(classes)
    outer_legend(axes, "class: AP50" if is_complete else f"class: AP50\n{half} best, {half} worst of {len(classes)}")


def _evenly_spaced(classes: Sequence[ClassMetrics]) -> list[ClassMetrics]:
    """All classes, or so many of them that a figure can show their curves."""
    count = min(len(classes), _MAX_CURVES)
    return [classes[index * len(classes) // count] for index in range(count)]


def _plot_over_score(axes: Any, curve: ScoreCurve, marks: Sequence[_Mark]) -> None:
    """Precision, recall and F1 over the threshold."""
    points = [curve.at(float(threshold)) for threshold in THRESHOLDS]
    precision = [np.nan if point.precision is None else point.precision for point in points]
    axes.plot(THRESHOLDS, [point.f1 for point in points], color=INK, linewidth=2.4, label="F1")
    axes.plot(THRESHOLDS, precision, linewidth=1.5, label="precision", **line_style(2) | {"linestyle": "--"})
    recall = [point.recall for point in points]
    axes.plot(THRESHOLDS, recall, linewidth=1.5, label="recall", **line_style(3) | {"linestyle": ":"})
    for point, name, style in marks:
        axes.axvline(point.threshold, color=style["color"], linewidth=1, linestyle=(0, (4, 2)), zorder=1)
        shown = "-" if point.precision is None else f"{point.precision:.2f}"
        label = f"score {point.threshold:g}, {name}\nF1 {point.f1:.2f}, precision {shown}, recall {point.recall:.2f}"
        axes.plot(point.threshold, point.f1, markersize=8, label=label, **style)
    outer_legend(axes, "all classes together")


def _precision_recall_axes(axes: Any, title: str) -> None:
    axes.set(xlabel="recall (0 to 1)", ylabel="precision (0 to 1)")
    _unit_axes(axes, title)


def _unit_axes(axes: Any, title: str) -> None:
    """Both axes from 0 to 1."""
    ticks = np.linspace(0, 1, 6)
    axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xticks=ticks, yticks=ticks)
    open_axes(axes)
    set_title(axes, title)
