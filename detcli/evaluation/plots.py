"""Curves of precision over recall, and the confusion matrix, as PNG; matplotlib is asked only when one is drawn."""

import io
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from detcli.errors import UsageError
from detcli.evaluation.coco_metrics import IOUS, RECALLS, ClassMetrics, Metrics
from detcli.evaluation.confusion_matrix import ConfusionMatrix

_MOST_IN_LEGEND = 12
_MOST_WITH_NUMBERS = 25  # classes whose cells have room for a number
_INK, _FAINT = "#202020", "#b8b8b8"


def plot_pr_curves(metrics: Metrics) -> bytes:
    """Precision over recall: the mean of the classes at each IoU, and each class at IoU 0.50. Returns a PNG.

    Raises UsageError where matplotlib is missing, naming the extra that brings it.
    """
    figure = _figure(13.5, 5.2)
    means, classes = figure.subplots(1, 2)
    there = [one for one in metrics.classes if one.ap is not None]
    if there:
        curves = np.mean([one.precision for one in there], axis=0)  # [10, 101]
        shades = _shades(len(IOUS))
        for iou, curve, shade in zip(IOUS, curves, shades, strict=True):
            means.plot(RECALLS, curve, color=shade, linewidth=1.6, label=f"{iou:.2f}: {curve.mean():.3f}")
        _legend(means, "IoU: AP")
    _curves_of(classes, sorted(there, key=lambda one: -(one.ap50 or 0)))
    average = "-" if metrics.by_name["AP"] is None else f"{metrics.by_name['AP']:.3f}"
    many = f"{len(there)} class" + ("" if len(there) == 1 else "es")
    _axes(means, f"mean of {many}; AP {average}")
    _axes(classes, "classes at IoU 0.50")
    return _png(figure)


def plot_confusion_matrix(confusion: ConfusionMatrix, *, score: float, iou: float) -> bytes:
    """The ground truth (rows) against what it was taken for (columns); shades are shares of a row. Returns a PNG.

    Raises UsageError where matplotlib is missing, naming the extra that brings it.
    """
    count = len(confusion.names) + 1
    side = min(4.2 + 0.42 * count, 30.0)
    figure = _figure(side + 0.8, side)
    axes = figure.subplots()
    sums = confusion.counts.sum(axis=1, keepdims=True)
    shares = np.divide(confusion.counts, sums, out=np.zeros(confusion.counts.shape), where=sums > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    small = 8 if count <= _MOST_WITH_NUMBERS else 6
    names = [_short(name) for name in confusion.names]
    axes.set_xticks(range(count), [*names, "background"], rotation=90, fontsize=small)
    axes.set_yticks(range(count), [*names, "background"], fontsize=small)
    for line in (axes.axhline, axes.axvline):
        line(count - 1.5, color=_FAINT, linewidth=1)
    if count <= _MOST_WITH_NUMBERS:
        for (row, column), number in np.ndenumerate(confusion.counts):
            if number:
                ink = "white" if shares[row, column] > 0.55 else _INK
                axes.text(column, row, f"{number:,}", ha="center", va="center", fontsize=7, color=ink)
    axes.set_xlabel("predicted")
    axes.set_ylabel("ground truth")
    axes.set_title(f"scores above {score:g}, IoU from {iou:g}", fontsize=10, color=_INK, loc="left")
    figure.colorbar(image, ax=axes, shrink=0.7, label="row fraction")
    return _png(figure)


def _curves_of(axes: Any, classes: Sequence[ClassMetrics]) -> None:
    """A line each; of many classes only the best and the worst have a color and a name."""
    half = _MOST_IN_LEGEND // 2
    told = list(classes) if len(classes) <= _MOST_IN_LEGEND else [*classes[:half], *classes[-half:]]
    for one in classes:
        if one not in told:
            axes.plot(RECALLS, one.precision[0], color=_FAINT, linewidth=0.7)
    for one, shade in zip(told, _shades(len(told)), strict=True):
        name = f"{_short(one.name)}: {one.ap50:.3f}"
        axes.plot(RECALLS, one.precision[0], color=shade, linewidth=1.4, label=name)
    if told:
        title = "AP50" if len(told) == len(classes) else f"AP50: best, worst {half}\nof {len(classes)}"
        _legend(axes, title)


def _legend(axes: Any, title: str) -> None:
    """Names next to the axes, where they hide no curve."""
    place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axes.legend(title=title, fontsize=8, title_fontsize=8, alignment="left", frameon=False, **place)


def _axes(axes: Any, title: str) -> None:
    axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.set_title(title, fontsize=10, color=_INK, loc="left")
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _shades(count: int) -> list[Any]:
    from matplotlib import colormaps

    name = "turbo" if count <= _MOST_IN_LEGEND else "viridis"
    return [colormaps[name](0.06 + 0.86 * place / max(1, count - 1)) for place in range(count)]


def _figure(width: float, height: float) -> Any:
    """An empty figure, of inches; drawn without a screen and without matplotlib's global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("curves and matrices need matplotlib: pip install 'detcli[train]'") from error
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of fonts it looks for
    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that matplotlib's own font does not have
        figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _short(name: str) -> str:
    r"""A name that fits next to an axis; "$" would start a formula, and "_" at its beginning hide it from a legend."""
    name = name if len(name) <= 24 else name[:23] + "…"
    return name.replace("$", r"\$").lstrip("_") or "_"
