"""Speed against accuracy as PNG: the cases of a benchmark, and the line of those that no other one beats in both."""

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

_MAX_NAME = 60  # characters of a label


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
        axes.annotate(
            short_name(point.name, _MAX_NAME),
            (point.images_per_second, point.ap),
            textcoords="offset points",
            xytext=(6, 4),
            fontsize=7,
            color=INK,
        )
    speeds = [point.images_per_second for point in points]
    if max(speeds) > 10 * min(speeds):
        axes.set_xscale("log")
    axes.margins(x=0.25, y=0.15)
    axes.set_xlabel("images per second, end to end")
    axes.set_ylabel(metric)
    set_title(axes, title)
    return figure
