"""Precision-recall curves and the confusion matrix as PNG; matplotlib is imported when one is drawn."""

import io
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from detcli.errors import UsageError
from detcli.evaluation.coco_metrics import IOUS, RECALLS, ClassMetrics, Metrics
from detcli.evaluation.confusion_matrix import ConfusionMatrix
from detcli.extras import install_command

_MAX_IN_LEGEND = 12
_MAX_WITH_NUMBERS = 25  # classes whose cells have space for a number
_INK, _FAINT = "#202020", "#b8b8b8"


def plot_pr_curves(metrics: Metrics) -> bytes:
    """Precision over recall: the mean of the classes at each IoU, and each class at IoU 0.50. Returns a PNG.

    Raises UsageError if matplotlib is missing, naming the command that installs it.
    """
    figure = _figure(13.5, 5.2)
    means, classes = figure.subplots(1, 2)
    evaluated = [each for each in metrics.classes if each.ap is not None]
    if evaluated:
        curves = np.mean([each.precision for each in evaluated], axis=0)  # [10, 101]
        shades = _shades(len(IOUS))
        for iou, curve, shade in zip(IOUS, curves, shades, strict=True):
            means.plot(RECALLS, curve, color=shade, linewidth=1.6, label=f"{iou:.2f}: {curve.mean():.3f}")
        _legend(means, "IoU: AP")
    _curves_of(classes, sorted(evaluated, key=lambda each: -(each.ap50 or 0)))
    average = "-" if metrics.by_name["AP"] is None else f"{metrics.by_name['AP']:.3f}"
    count = f"{len(evaluated)} class" + ("" if len(evaluated) == 1 else "es")
    _axes(means, f"mean of {count}; AP {average}")
    _axes(classes, "classes at IoU 0.50")
    return _png(figure)


def plot_confusion_matrix(confusion: ConfusionMatrix, *, score: float, iou: float) -> bytes:
    """Ground truth (rows) by prediction (columns); shades are row fractions. Returns a PNG.

    Raises UsageError if matplotlib is missing, naming the command that installs it.
    """
    count = len(confusion.names) + 1
    side = min(4.2 + 0.42 * count, 30.0)
    figure = _figure(side + 0.8, side)
    axes = figure.subplots()
    sums = confusion.counts.sum(axis=1, keepdims=True)
    fractions = np.divide(confusion.counts, sums, out=np.zeros(confusion.counts.shape), where=sums > 0)
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    small = 8 if count <= _MAX_WITH_NUMBERS else 6
    names = [_short(name) for name in confusion.names]
    axes.set_xticks(range(count), [*names, "background"], rotation=90, fontsize=small)
    axes.set_yticks(range(count), [*names, "background"], fontsize=small)
    for line in (axes.axhline, axes.axvline):
        line(count - 1.5, color=_FAINT, linewidth=1)
    if count <= _MAX_WITH_NUMBERS:
        for (row, column), number in np.ndenumerate(confusion.counts):
            if number:
                ink = "white" if fractions[row, column] > 0.55 else _INK
                axes.text(column, row, f"{number:,}", ha="center", va="center", fontsize=7, color=ink)
    axes.set_xlabel("predicted")
    axes.set_ylabel("ground truth")
    axes.set_title(f"scores above {score:g}, IoU from {iou:g}", fontsize=10, color=_INK, loc="left")
    figure.colorbar(image, ax=axes, shrink=0.7, label="row fraction")
    return _png(figure)


def _curves_of(axes: Any, classes: Sequence[ClassMetrics]) -> None:
    """One line per class; of many classes only the best and the worst have a color and a name."""
    half = _MAX_IN_LEGEND // 2
    named = list(classes) if len(classes) <= _MAX_IN_LEGEND else [*classes[:half], *classes[-half:]]
    for each in classes:
        if each not in named:
            axes.plot(RECALLS, each.precision[0], color=_FAINT, linewidth=0.7)
    for each, shade in zip(named, _shades(len(named)), strict=True):
        name = f"{_short(each.name)}: {each.ap50:.3f}"
        axes.plot(RECALLS, each.precision[0], color=shade, linewidth=1.4, label=name)
    if named:
        title = "AP50" if len(named) == len(classes) else f"AP50: best, worst {half}\nof {len(classes)}"
        _legend(axes, title)


def _legend(axes: Any, title: str) -> None:
    """Names next to the axes, where they hide no curve."""
    position = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axes.legend(title=title, fontsize=8, title_fontsize=8, alignment="left", frameon=False, **position)


def _axes(axes: Any, title: str) -> None:
    axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.set_title(title, fontsize=10, color=_INK, loc="left")
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _shades(count: int) -> list[Any]:
    from matplotlib import colormaps

    name = "turbo" if count <= _MAX_IN_LEGEND else "viridis"
    return [colormaps[name](0.06 + 0.86 * index / max(1, count - 1)) for index in range(count)]


def _figure(width: float, height: float) -> Any:
    """An empty figure, sizes in inches; needs no display and none of matplotlib's global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(f"plots need matplotlib: {install_command('train')}") from error
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs the fonts that it searches
    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that matplotlib's font does not have
        figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _short(name: str) -> str:
    r"""A name that fits next to an axis; "$" would start a formula, and "_" at its beginning hide it from a legend."""
    name = name if len(name) <= 24 else name[:23] + "…"
    return name.replace("$", r"\$").lstrip("_") or "_"
