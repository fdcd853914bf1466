"""curves.png: losses of training and validation, AP and learning rate over the epochs of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detcli.evaluation.plots.figures import (
    line_style,
    new_figure,
    open_axes,
    outer_legend,
    own_style,
    set_title,
    to_png,
)
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.documents import parse_json
from detcli.visualization import okabe_ito

_METRIC_NAMES = ("AP", "AP50", "AP75")
_MAX_TERMS = 8  # losses with a line of their own
_MAX_MARKERS = 12  # points of a line that are marked
_TRAINING, _VALIDATION, _BEST = (
    okabe_ito.as_hex(color) for color in (okabe_ito.BLUE, okabe_ito.VERMILION, okabe_ito.GREEN)
)

Line = Mapping[str, Any]


def draw_curves(metrics: Path, image: Path) -> None:
    """Draw the lines of metrics.jsonl into a PNG; does nothing while there are none.

    Raises UsageError if matplotlib is not installed, and OutputError.
    """
    with os_errors_as_output_errors(metrics):
        lines = [parse_json(line) for line in metrics.read_bytes().splitlines()]
    if lines:
        write_atomically(image, to_png(curves_figure(lines)))


@own_style
def curves_figure(lines: Sequence[Line]) -> Any:
    """The figure of the lines of metrics.jsonl, at least one.

    A vertical line marks the epoch with the highest AP, which is the model in `best`.
    """
    figure = new_figure(15.0, 9.0)
    total, metrics, terms, rate = figure.subplots(2, 2).flat
    axis = _EpochAxis(lines)
    _plot_total(total, lines, axis)
    _plot_metrics(metrics, [line for line in lines if line.get("metrics")], axis)
    _plot_terms(terms, [line for line in lines if line["kind"] == "epoch"] or lines, axis)
    rate.plot(
        axis.positions(lines),
        [line["lr"] for line in lines],
        color=_TRAINING,
        linewidth=1.6,
        marker="" if len(lines) > 1 else "o",
    )
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    rate.set(ylabel="learning rate", ylim=(0, None))
    set_title(rate, "highest learning rate of any parameter")
    best = best_line(lines)
    for axes in (total, metrics, terms, rate):
        open_axes(axes)
        axes.set(xlabel=axis.label, xlim=(0, 1.03 * axis.position(lines[-1])))
        axes.xaxis.get_major_locator().set_params(integer=True)
        if best is not None:
            axes.axvline(axis.position(best), color=_BEST, linewidth=1, linestyle=(0, (1, 1.5)), zorder=1)
    return figure


def best_line(lines: Sequence[Line]) -> Line | None:
    """The epoch with the highest AP, of equals the later one; None if nothing was evaluated."""
    evaluated = [line for line in lines if line["kind"] == "epoch" and line.get("metrics")]
    return max(evaluated, key=lambda line: (line["metrics"].get("AP") or 0.0, line["epoch"]), default=None)


class _EpochAxis:
    """Where lines are on the axis of epochs; while no epoch is finished, on one of steps."""

    def __init__(self, lines: Sequence[Line]) -> None:
        finished = [line for line in lines if line["kind"] == "epoch"]
        self._steps = finished[-1]["step"] / (finished[-1]["epoch"] + 1) if finished else 1
        self.label = "epoch" if finished else "step"

    def position(self, line: Line) -> float:
        """The number of epochs, or steps, after which a line was written."""
        return float(line["step"] / self._steps)

    def positions(self, lines: Sequence[Line]) -> list[float]:
        """The positions of lines."""
        return [self.position(line) for line in lines]


def _plot_total(axes: Any, lines: Sequence[Line], axis: _EpochAxis) -> None:
    """The sum of all losses: of some steps, of the epochs, and of the validation images."""
    steps, epochs = ([line for line in lines if line["kind"] == kind] for kind in ("steps", "epoch"))
    validated = [line for line in epochs if line.get("val_loss") is not None]
    for selected, name, style in (
        (steps, "loss", {"color": _TRAINING, "linewidth": 0.8, "alpha": 0.4, "label": "training, some steps"}),
        (epochs, "loss", {"color": _TRAINING, "linewidth": 2.0, "marker": ".", "label": "training, epochs"}),
        (
            validated,
            "val_loss",
            {"color": _VALIDATION, "linewidth": 2.0, "linestyle": "--", "marker": "D", "markersize": 4},
        ),
    ):
        if selected:
            axes.plot(axis.positions(selected), [line[name] for line in selected], **({"label": "validation"} | style))
    axes.set_ylabel("loss (weighted sum of all terms)")
    set_title(axes, "loss: training images (augmented), validation images (averaged weights)")
    outer_legend(axes, "loss")


def _plot_metrics(axes: Any, lines: Sequence[Line], axis: _EpochAxis) -> None:
    """COCO metrics, and the best epoch with its number."""
    for index, name in enumerate(_METRIC_NAMES):
        selected = [line for line in lines if line["metrics"].get(name) is not None]
        if selected:
            values = [line["metrics"][name] for line in selected]
            axes.plot(
                axis.positions(selected),
                values,
                marker="os^"[index],
                markersize=4,
                linewidth=2.0 if name == "AP" else 1.3,
                label=f"{name}, last {values[-1]:.3f}",
                **line_style(index),
            )
    best = best_line(lines)
    if best is not None and best["metrics"].get("AP") is not None:
        label = f"best, epoch {best['epoch'] + 1}\nAP {best['metrics']['AP']:.3f}"
        position = axis.position(best), best["metrics"]["AP"]
        axes.plot(*position, marker="*", markersize=15, color=_BEST, linestyle="none", label=label, zorder=5)
    highest = max((line["metrics"].get(name) or 0.0 for line in lines for name in _METRIC_NAMES), default=0.0)
    axes.set(ylim=(0, min(1.02, 1.15 * highest or 1.02)), ylabel="AP (0 to 1)")
    set_title(
        axes, "validation metrics of the averaged weights" if lines else "not evaluated yet, or no validation data"
    )
    if lines:
        outer_legend(axes, "metric")


def _plot_terms(axes: Any, lines: Sequence[Line], axis: _EpochAxis) -> None:
    """The losses of the last layer, without those of the layers before it: names with one part after `loss_`."""
    names = sorted({name for line in lines for name in line["losses"]})
    own = [name for name in names if name.count("_") == 1] or names
    for index, name in enumerate(own[:_MAX_TERMS]):
        color = line_style(index)["color"]
        for source, dashes, kind in (("losses", "solid", ""), ("val_losses", "dashed", ", validation")):
            selected = [line for line in lines if (line.get(source) or {}).get(name, 0) > 0]
            if selected:
                values = [line[source][name] for line in selected]
                label = f"{name.removeprefix('loss_')}{kind}"
                marker = "" if len(lines) > _MAX_MARKERS else "." if dashes == "solid" else "x"
                axes.plot(axis.positions(selected), values, color=color, linestyle=dashes, marker=marker, label=label)
    axes.set_yscale("log", subs=[2, 3, 5])
    for axis_format in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis_format("{x:g}")
    axes.tick_params(axis="y", which="minor", labelsize=8)
    axes.set_ylabel("loss (logarithmic)")
    set_title(axes, "terms of the last layer")
    if axes.get_legend_handles_labels()[0]:
        outer_legend(axes, "term")
