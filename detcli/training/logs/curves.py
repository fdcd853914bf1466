"""The metrics of a run as an image: curves.png."""

import time
from collections.abc import Callable

from detcli.errors import UsageError
from detcli.training.logs.curve_plot import draw_curves
from detcli.training.state.run_folder import RunFolder
from detcli.training.training_events import Event, TrainingNote

_PAUSE_S = 60.0  # between two drawings


class Curves:
    """Draws the metrics of a run while it runs.

    notify  called once if a library for drawing is missing
    """

    def __init__(self, folder: RunFolder, notify: Callable[[Event], None]) -> None:
        self._folder, self._notify = folder, notify
        self._drawn_at = time.monotonic()
        self._draws = True

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
