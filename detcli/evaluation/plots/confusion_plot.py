"""The confusion matrix as PNG: classes, what was missed and what was detected without ground truth."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.confusion_matrix import ConfusionMatrix
from detcli.evaluation.plots.figures import INK, new_figure, open_axes, own_style, set_title, short_name, to_png
from detcli.text import shown_scores
from detcli.visualization import okabe_ito

_MAX_WITH_NUMBERS = 25  # classes whose cells have space for a number
_MAX_WITH_ROWS = 1000  # classes that have a row of their own; of more, those with the most boxes are shown
_MAX_WITH_NAMES = 130  # classes whose names fit along an axis; of more, every n-th class has its number
_CLASS_COLORS, _BACKGROUND_COLORS = "Blues", "Oranges"
_PAIRS, _CLASSES = 25, 12  # entries of the lists
_DARK = 0.5  # from this shade on, numbers are white

Counts = npt.NDArray[np.int64]
Fractions = npt.NDArray[np.float64]


def plot_confusion_matrix(
    confusion: ConfusionMatrix, *, score: float, iou: float, class_scores: Mapping[str, float] = MappingProxyType({})
) -> bytes:
    """The figure of `confusion_figure` as PNG.

    Raises UsageError if matplotlib is missing, naming the packages to install.
    """
    return to_png(confusion_figure(confusion, score=score, iou=iou, class_scores=class_scores))


@own_style
def confusion_figure(
    confusion: ConfusionMatrix, *, score: float, iou: float, class_scores: Mapping[str, float] = MappingProxyType({})
) -> Any:
    """Ground truth (rows) by prediction (columns), with numbers or, for many classes, with lists.

    Classes are shaded by their fraction of the row. Missed ground truth, the last column, and false positives, the last
    row, have a scale of their own: fractions of the row and of the column. Of more than 1,000 classes, the table shows
    those with the most boxes; the numbers in the title and the lists are those of all.
    """
    count = len(confusion.names)
    has_lists = count > _MAX_WITH_NUMBERS
    side = 11.0 if has_lists else 2.0 + 0.75 * max(3, min(count, 8)) + 0.42 * max(0, count - 8)
    figure = new_figure(side + 8.0 if has_lists else side + 3.4, side + 1.2)
    if has_lists:
        grid = figure.add_gridspec(3, 2, width_ratios=(side, 5.0), height_ratios=(_PAIRS, _CLASSES, _CLASSES))
        matrix = figure.add_subplot(grid[:, 0])
        _plot_lists([figure.add_subplot(grid[row, 1]) for row in range(3)], confusion)
    else:
        matrix = figure.add_subplot()
    _plot_matrix(figure, matrix, confusion)
    shown = "" if count <= _MAX_WITH_ROWS else f"; the {_MAX_WITH_ROWS:,} of {count:,} classes with the most boxes"
    scores = shown_scores(score, class_scores)
    title = f"{_summary(confusion)}\ndetections with scores above {scores}, matched from an IoU of {iou:g}{shown}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=INK)
    return figure


def _summary(confusion: ConfusionMatrix) -> str:
    return (
        f"{confusion.true_positives:,} true positives, {confusion.misclassified:,} misclassified, "
        f"{confusion.false_negatives:,} missed, {confusion.false_positives:,} false positives"
    )


def _plot_matrix(figure: Any, axes: Any, confusion: ConfusionMatrix) -> None:
    from matplotlib.colors import PowerNorm

    classes = most_frequent(confusion, _MAX_WITH_ROWS)
    count, names = len(classes), [confusion.names[index] for index in classes]
    scale = PowerNorm(0.5, 0, 1)  # so that a class that is confused in two percent is visible
    counts = confusion.table(classes)
    rows, columns = fractions(counts, *(sums[[*classes, -1]] for sums in confusion.totals()))
    end, start, stop = count - 0.5, *_background(count)
    parts = (
        (rows[:-1, :-1], (-0.5, end, end, -0.5), _CLASS_COLORS),
        (rows[:-1, -1:], (start, stop, end, -0.5), _BACKGROUND_COLORS),
        (columns[-1:, :-1], (-0.5, end, stop, start), _BACKGROUND_COLORS),
    )
    images = [
        axes.imshow(part, cmap=colors, norm=scale, extent=extent, aspect="auto", interpolation="nearest")
        for part, extent, colors in parts
        if part.size
    ]
    axes.set(xlim=(-0.5, stop), ylim=(stop, -0.5))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=2)
    _set_ticks(axes, classes, names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("class of the ground truth")
    if count <= _MAX_WITH_NUMBERS:
        _write_numbers(axes, counts, np.where(np.arange(count + 1)[:, None] < count, rows, columns))
    ticks = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1]
    labels = (
        "fraction of the ground truth of a class",
        "missed: fraction of the ground truth of a class\nfalse positive: fraction of its predictions",
    )
    for image, label in zip(images[:2], labels, strict=False):
        bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=ticks, format="%g", aspect=30, pad=0.015)
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)


def _background(count: int) -> tuple[float, float]:
    """Start and stop of the background's row and column behind `count` classes: apart from them, wide enough to see."""
    start = count - 0.5 + max(0.12, 0.008 * count)
    return start, start + max(1.0, 0.018 * count)


def most_frequent(confusion: ConfusionMatrix, most: int) -> list[int]:
    """Indices of the classes with the most boxes of ground truth and predictions, ascending."""
    rows, columns = confusion.totals()
    return sorted(np.argsort(-(rows + columns)[:-1], kind="stable")[:most].tolist())


def fractions(counts: Counts, row_totals: Counts, column_totals: Counts) -> tuple[Fractions, Fractions]:
    """A table [N, N] as fractions of the totals [N] of its rows, and of its columns; 0 where there is nothing."""
    rows, columns = row_totals[:, None], column_totals[None]
    return (
        np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0),
        np.divide(counts, columns, out=np.zeros(counts.shape), where=columns > 0),
    )


def _set_ticks(axes: Any, classes: Sequence[int], names: Sequence[str]) -> None:
    """A name for each class, or of very many classes the number of some; the background always has its name."""
    count = len(names)
    size = 8 if count <= _MAX_WITH_NUMBERS else max(4.5, min(8.0, 530 / (count + 1)))
    if count <= _MAX_WITH_NAMES:
        places, labels = list(range(count)), [short_name(name) for name in names]
    else:
        size = 7
        step = -(-count // 40)
        places, labels = list(range(0, count, step)), [f"class {index}" for index in classes[::step]]
    background = sum(_background(count)) / 2
    axes.set_xticks([*places, background], [*labels, "background\n(missed)"], rotation=90, fontsize=size)
    axes.set_yticks([*places, background], [*labels, "background\n(false positive)"], fontsize=size)
    for label in (axes.get_xticklabels()[-1], axes.get_yticklabels()[-1]):
        label.set(fontsize=max(size, 8), fontweight="bold")


def _write_numbers(axes: Any, counts: Counts, shades: Fractions) -> None:
    count = len(counts) - 1
    background = sum(_background(count)) / 2
    for (row, column), number in np.ndenumerate(counts):
        if number:
            color = "white" if shades[row, column] ** 0.5 > _DARK + 0.15 else INK
            x, y = (background if place == count else place for place in (column, row))
            axes.text(x, y, f"{number:,}", ha="center", va="center", fontsize=7 if number < 100_000 else 5, color=color)


def _plot_lists(axes: Sequence[Any], confusion: ConfusionMatrix) -> None:
    """The most frequent confusions, missed classes and false positives, as bars."""
    pairs, missed, false = axes
    names = confusion.names
    confused = [
        (f"{short_name(names[row])} → {short_name(names[column])}", number)
        for row, column, number in top_confusions(confusion, _PAIRS)
    ]
    _plot_bars(pairs, confused, "most confused: ground truth → prediction", okabe_ito.as_hex(okabe_ito.BLUE))
    for part, values, title in (
        (missed, confusion.missed, "most missed"),
        (false, confusion.unexpected, "most false positives"),
    ):
        order = np.argsort(-values, kind="stable")[:_CLASSES].tolist()
        entries = [(short_name(names[index]), int(values[index])) for index in order if values[index]]
        _plot_bars(part, entries, title, okabe_ito.as_hex(okabe_ito.ORANGE))


def top_confusions(confusion: ConfusionMatrix, most: int) -> list[tuple[int, int, int]]:
    """Class of the ground truth, predicted class and count of the most frequent confusions, most first."""
    confused = confusion.confused
    order = np.argsort(-confused[:, 2], kind="stable")[:most]
    return [(row, column, number) for row, column, number in confused[order].tolist()]


def _plot_bars(axes: Any, entries: Sequence[tuple[str, int]], title: str, color: str) -> None:
    set_title(axes, title if entries else f"{title}: none")
    open_axes(axes)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_xticks([])
    if not entries:
        axes.set_yticks([])
        return
    places = range(len(entries))
    bars = axes.barh(places, [number for _, number in entries], color=color, height=0.7)
    axes.bar_label(bars, [f"{number:,}" for _, number in entries], padding=3, fontsize=7)
    axes.set_yticks(places, [name for name, _ in entries], fontsize=7)
    axes.set_ylim(max(len(entries), 5) - 0.4, -0.6)
    axes.margins(x=0.12)
