"""The metrics of a run as images: curves.png, and events for TensorBoard where that is installed."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from detcli.errors import UsageError
from detcli.training.curve_plot import draw_curves
from detcli.training.state.event_file import open_event_file
from detcli.training.state.run_folder import RunFolder
from detcli.training.training_events import Event, TrainingNote

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
        self._events = open_event_file(folder.events, steps=steps)

    def add(self, line: Line) -> None:
        """Write a line of metrics to TensorBoard."""
        part, step = ("epoch" if line["kind"] == "epoch" else "steps"), int(line["step"])
        scalars = {f"{part}/{name}": value for name, value in line["losses"].items()}
        scalars |= {f"{part}/loss": line["loss"], f"{part}/lr": line["lr"]}
        scalars |= {f"val/{name}": value for name, value in (line.get("val_losses") or {}).items()}
        scalars |= {"val/loss": line.get("val_loss")}
        scalars |= {f"metrics/{name}": value for name, value in (line.get("metrics") or {}).items()}
        if self._events is None:
            return
        try:
            self._events.add_scalars({name: value for name, value in scalars.items() if value is not None}, step)
        except OSError as error:
            self.close()
            self._notify(TrainingNote(f"no more events for TensorBoard: {error.strerror or error}"))

    def draw_if_due(self) -> None:
        """Draw if the last drawing is at least a minute old."""
        if time.monotonic() - self._drawn_at > _PAUSE_S:
            self.draw()

    def draw(self) -> None:
        """Draw curves.png from metrics.jsonl."""
        self._drawn_at = time.monotonic()
        if not self._draws:
            return
        try:
            draw_curves(self._folder.metrics, self._folder.curves)
        except UsageError as error:
            self._draws = False
            self._notify(TrainingNote(f"no {self._folder.curves.name}: {error}"))

    def close(self) -> None:
        """Close TensorBoard's file; safe twice."""
        if self._events is not None:
            self._events.close()
            self._events = None
