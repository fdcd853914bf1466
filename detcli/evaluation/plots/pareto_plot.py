"""Speed against accuracy as PNG: the cases of a benchmark, and the line of those that no other one beats in both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detcli.evaluation.plots.figures import (
    FAINT,
    INK,
    line_style,
    new_figure,
    open_axes,
    own_style,
    set_title,
    short_name,
    to_png,
)
from detcli.evaluation.plots.label_placement import Area, place_labels

_MAX_NAME = 60  # characters of a label
_SPACE = 8.0  # pixels between two labels in a row
_FAR = 10.0  # pixels from the center of a point to its label: farther ones get a line
_LINE = "#808080"


@dataclass(frozen=True, slots=True)
class SpeedPoint:
    """One case.

    name               as its label
    group              points of a group have one color: the model
    images_per_second  end to end
    ap                 from 0 to 1; or another metric
    is_best            no other case is faster and at least as accurate
    """

    name: str
    group: str
    images_per_second: float
    ap: float
    is_best: bool


def plot_pareto(points: Sequence[SpeedPoint], title: str, *, metric: str = "AP") -> bytes:
    """The figure of `pareto_figure` as PNG. Raises UsageError if matplotlib is missing."""
    return to_png(pareto_figure(points, title, metric=metric))


@own_style
def pareto_figure(points: Sequence[SpeedPoint], title: str, *, metric: str = "AP") -> Any:
    """Images per second (logarithmic where they differ by more than ten times) against a metric, each point with its name."""
    figure = new_figure(9.0, 5.5)
    axes = figure.subplots()
    open_axes(axes)
    best = sorted((point for point in points if point.is_best), key=lambda point: point.images_per_second)
    axes.plot([p.images_per_second for p in best], [p.ap for p in best], color=FAINT, linewidth=1.2, zorder=1)
    groups = list(dict.fromkeys(point.group for point in points))
    for point in points:
        color = line_style(groups.index(point.group))["color"]
        axes.plot(
            point.images_per_second,
            point.ap,
            marker="o",
            markersize=6,
            markerfacecolor=color if point.is_best else "white",
            markeredgecolor=color,
            linestyle="none",
            zorder=2,
        )
    speeds = [point.images_per_second for point in points]
    if max(speeds) > 10 * min(speeds):
        axes.set_xscale("log")
    axes.margins(x=0.1, y=0.1)
    axes.set_xlabel("images per second, end to end")
    axes.set_ylabel(metric)
    set_title(axes, title)
    _add_names(figure, axes, points)
    return figure


def _add_names(figure: Any, axes: Any, points: Sequence[SpeedPoint]) -> None:
    """Write the name of each point beside it, and a line to it where the name had to go farther away."""
    names = [
        axes.text(0.5, 0.5, short_name(point.name, _MAX_NAME), transform=axes.transAxes, fontsize=7, color=INK)
        for point in points
    ]
    figure.draw_without_rendering()  # only then the layout of the axes and the sizes of texts are known
    figure.set_layout_engine("none")
    extents = [name.get_window_extent() for name in names]
    places = axes.transData.transform([(point.images_per_second, point.ap) for point in points]).tolist()
    frame = axes.get_window_extent()
    area = Area(frame.x0, frame.y0, frame.x1, frame.y1)
    labels = place_labels(places, [(extent.width + _SPACE, extent.height) for extent in extents], area)
    to_axes = axes.transAxes.inverted().transform
    for name, label, extent, (x, y) in zip(names, labels, extents, places, strict=True):
        baseline = axes.transAxes.transform((0.5, 0.5))[1] - extent.y0
        name.set_position(to_axes((label.left, label.bottom + baseline)))
        end = (min(max(x, label.left), label.right - _SPACE), min(max(y, label.bottom), label.top))
        if math.hypot(min(max(x, label.left), label.right) - x, end[1] - y) > _FAR:
            (x0, x1), (y0, y1) = zip(*to_axes([(x, y), end]), strict=True)
            axes.plot([x0, x1], [y0, y1], transform=axes.transAxes, color=_LINE, linewidth=0.7, zorder=1)
