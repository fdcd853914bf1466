"""What is drawn where in a figure of matplotlib."""

import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def drawn_texts(figure: Any) -> list[Text]:
    """The visible texts of a figure, after its layout."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that matplotlib's font does not have
        FigureCanvasAgg(figure).draw()
    hidden = {id(label) for axes in figure.axes for label in _ticks_outside(axes)}
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]


def _ticks_outside(axes: Any) -> Iterator[Text]:
    """Labels of ticks beyond the limits of an axis, which are not drawn."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low <= tick.get_loc() <= high:
                yield tick.label1
                yield tick.label2


def layout_problems(figure: Any) -> list[str]:
    """Texts that the edge of the figure cuts, and neighboring tick labels that overlap."""
    width, height = figure.bbox.width, figure.bbox.height
    problems = [
        f"cut: {text.get_text()}"
        for text in drawn_texts(figure)
        if not _is_within(text.get_window_extent().extents, width, height)
    ]
    return problems + [problem for axes in figure.axes for problem in _overlapping_ticks(axes)]


def _is_within(extents: Any, width: float, height: float) -> bool:
    left, bottom, right, top = extents
    return bool(left >= 0 and bottom >= 0 and right <= width and top <= height)


def _overlapping_ticks(axes: Any) -> Iterator[str]:
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for one, other in pairwise(label for label in labels if label.get_text()):
            if one.get_window_extent().overlaps(other.get_window_extent()):
                yield f"overlapping: {one.get_text()}, {other.get_text()}"
