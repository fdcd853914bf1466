"""The types of errors as PNG: AP50 lost by each, and how many are shown above the score in use."""

from collections.abc import Sequence
from typing import Any

from detcli.evaluation.analysis.detection_errors import DetectionErrors
from detcli.evaluation.plots.figures import new_figure, open_axes, own_style, set_title, to_png
from detcli.visualization import okabe_ito

_COLORS = (
    okabe_ito.ORANGE,
    okabe_ito.BLUE,
    okabe_ito.PURPLE,
    okabe_ito.SKY_BLUE,
    okabe_ito.VERMILION,
    okabe_ito.GREEN,
)


def plot_errors(errors: DetectionErrors, *, score: float) -> bytes:
    """The figure of `errors_figure` as PNG.

    Raises UsageError if matplotlib is missing, naming the packages to install.
    """
    return to_png(errors_figure(errors, score=score))


@own_style
def errors_figure(errors: DetectionErrors, *, score: float) -> Any:
    """Two panels with a bar for each type of error; `score` is the one in use."""
    figure = new_figure(11.0, 4.4)
    lost, shown = figure.subplots(1, 2, sharey=True)
    names = list(errors.gains)
    _bars(lost, names, [errors.gains[name] for name in names], "{:.3f}")
    set_title(lost, f"AP50 lost by each type of error; AP50 is {errors.ap50:.3f}")
    _bars(shown, names, [errors.counts[name] for name in names], "{:,.0f}")
    set_title(shown, f"errors with scores above {score:g}")
    return figure


def _bars(axes: Any, names: Sequence[str], values: Sequence[float], text: str) -> None:
    open_axes(axes)
    bars = axes.barh(range(len(names)), values, color=[okabe_ito.as_hex(color) for color in _COLORS], height=0.7)
    axes.bar_label(bars, [text.format(value) for value in values], padding=3, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, max([*values, 1e-3]) * 1.15)
