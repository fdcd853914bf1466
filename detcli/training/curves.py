"""The metrics of a run as images: curves.png, and events for TensorBoard where that is installed."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.errors import UsageError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.training.curve_plot import draw_curves
from detcli.training.state.run_folder import RunFolder
from detcli.training.training_events import Event, TrainingNote

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_PAUSE_S = 60.0  # between two drawings

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
        scalars |= {f"val/{name}": value for name, value in (line.get("val_losses") or {}).items()}
        scalars |= {"val/loss": line.get("val_loss")}
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
