"""The metrics of a run as images: curves.png, and events for TensorBoard where that is installed."""

import io
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.errors import UsageError
from detcli.extras import install_command
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.training.state.run_folder import RunFolder
from detcli.training.training_events import Event, TrainingNote

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch.utils.tensorboard import SummaryWriter

_PAUSE_S = 60.0  # between two drawings
_METRIC_NAMES = ("AP", "AP50", "AP75")

Line = Mapping[str, Any]


class Curves:
    """Draws the metrics of a run while it runs.

    steps   number of steps before; TensorBoard drops its events from there on
    notify  called once if a library for drawing is missing
    """

    def __init__(self, folder: RunFolder, steps: int, notify: Callable[[Event], None]) -> None:
        self._folder, self._notify = folder, notify
        self._drawn_at = time.monotonic()
        self._draws = True
        self._board = _tensorboard(folder.events, steps)

    def add(self, line: Line) -> None:
        """Write a line of metrics to TensorBoard."""
        part, step = ("epoch" if line["kind"] == "epoch" else "steps"), int(line["step"])
        scalars = {f"{part}/{name}": value for name, value in line["losses"].items()}
        scalars |= {f"{part}/loss": line["loss"], f"{part}/lr": line["lr"]}
        scalars |= {f"metrics/{name}": value for name, value in (line.get("metrics") or {}).items()}
        with self._board_or_none() as board:
            for name, value in scalars.items():
                if board is not None and value is not None:
                    board.add_scalar(name, value, step)

    def draw_if_due(self) -> None:
        """Draw if the last drawing is at least a minute old."""
        if time.monotonic() - self._drawn_at > _PAUSE_S:
            self.draw()

    def draw(self) -> None:
        """Draw curves.png from metrics.jsonl."""
        self._drawn_at = time.monotonic()
        with self._board_or_none() as board:
            if board is not None:
                board.flush()
        if not self._draws:
            return
        try:
            draw_curves(self._folder.metrics, self._folder.curves)
        except UsageError as error:
            self._draws = False
            self._notify(TrainingNote(f"no {self._folder.curves.name}: {error}"))

    def close(self) -> None:
        """Close TensorBoard's file."""
        with self._board_or_none() as board:
            if board is not None:
                board.close()

    @contextmanager
    def _board_or_none(self) -> "Iterator[SummaryWriter | None]":
        """TensorBoard's writer; where its file cannot be written, the run continues without it."""
        try:
            yield self._board
        except OSError as error:
            self._board = None
            self._notify(TrainingNote(f"no more events for TensorBoard: {error.strerror or error}"))


def draw_curves(metrics: Path, image: Path) -> None:
    """Draw losses, learning rate and metrics of metrics.jsonl into a PNG; does nothing while there are no lines.

    Raises UsageError if matplotlib is not installed, and OutputError.
    """
    with os_errors_as_output_errors(metrics):
        lines = [json.loads(line) for line in metrics.read_bytes().splitlines()]
    if not lines:
        return
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(f"curves need matplotlib: {install_command('train')}") from error
    figure = Figure(figsize=(12, 8), layout="constrained")
    total, terms, metric_axes, rate = figure.subplots(2, 2).flat
    _draw_losses(total, lines)
    _draw_terms(terms, _of_kind(lines, "epoch") or lines)
    _draw_metrics(metric_axes, [line for line in lines if line.get("metrics")])
    rate.plot([line["step"] for line in lines], [line["lr"] for line in lines])
    rate.set_title("highest learning rate")
    for axes in (total, terms, metric_axes, rate):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100)
    write_atomically(image, png.getvalue())


def _draw_losses(axes: "Axes", lines: Sequence[Line]) -> None:
    """The sum of all losses: thin lines for steps, thick ones for epochs."""
    for kind, width in (("steps", 0.8), ("epoch", 2.0)):
        selected = _of_kind(lines, kind)
        if selected:
            axes.plot(
                [line["step"] for line in selected], [line["loss"] for line in selected], linewidth=width, label=kind
            )
    axes.set_title("loss")
    axes.legend()


def _draw_terms(axes: "Axes", lines: Sequence[Line]) -> None:
    """The losses of the last layer, without those of the layers before it: names with one part after `loss_`."""
    names = sorted({name for line in lines for name in line["losses"]})
    own = [name for name in names if name.count("_") == 1] or names[:10]
    for name in own:
        selected = [line for line in lines if name in line["losses"]]
        axes.plot([line["step"] for line in selected], [line["losses"][name] for line in selected], label=name)
    axes.set_title("terms of the last layer")
    axes.set_yscale("log")
    axes.legend()


def _draw_metrics(axes: "Axes", lines: Sequence[Line]) -> None:
    for name in _METRIC_NAMES if lines else ():
        selected = [line for line in lines if line["metrics"].get(name) is not None]
        axes.plot(
            [line["step"] for line in selected], [line["metrics"][name] for line in selected], marker=".", label=name
        )
    axes.set_title("metrics of the moving average" if lines else "not evaluated")
    axes.set_ylim(0, 1)
    if lines:
        axes.legend()


def _of_kind(lines: Sequence[Line], kind: str) -> list[Line]:
    return [line for line in lines if line["kind"] == kind]


def _tensorboard(folder: Path, steps: int) -> "SummaryWriter | None":
    """A writer that drops older events from this step on; None if TensorBoard is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from protobuf and numpy, in its imports
            from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    with os_errors_as_output_errors(folder):
        return SummaryWriter(str(folder), purge_step=steps + 1 if steps else None)
