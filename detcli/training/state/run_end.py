"""Decides whether a run ends before its last epoch: without a higher AP for some epochs, or at its time limit."""

import time

from detcli.training.optimization.distributed import Processes
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.training_state import TrainingProgress
from detcli.training.training_job import EarlyEnd

TIME_LIMIT: EarlyEnd = "max_hours"
_SECONDS_PER_HOUR = 3600


class RunEnd:
    """The early end of a run, the same in all of its processes.

    max_hours  time limit, counted from the creation of this object; a resumed run has all of it again; None: no limit
    """

    def __init__(
        self, recipe: Recipe, progress: TrainingProgress, processes: Processes, *, max_hours: float | None
    ) -> None:
        self._recipe, self._progress, self._processes = recipe, progress, processes
        now = time.monotonic()
        self._limit = None if max_hours is None else now + max_hours * _SECONDS_PER_HOUR
        self._epoch_started, self._longest_epoch = now, 0.0

    def start(self) -> None:
        """Count the time of epochs from now on."""
        self._epoch_started = time.monotonic()

    def after_epoch(self) -> EarlyEnd | None:
        """Why the run ends after this epoch, if it does; with a time limit, if the next epoch would pass it."""
        now = time.monotonic()
        self._longest_epoch = max(self._longest_epoch, now - self._epoch_started)
        self._epoch_started = now
        if self.is_without_progress():
            return "patience"
        is_over = self._limit is not None and now + self._longest_epoch > self._limit
        return TIME_LIMIT if self._processes.from_first(is_over) else None

    def is_without_progress(self) -> bool:
        """Whether the AP has not risen for as many epochs as the recipe's `patience`; an AP of 0 counts as a rise."""
        progress, patience = self._progress, self._recipe.patience
        if not patience or progress.improved_epoch is None or progress.epoch % self._recipe.evaluate_every_epochs:
            return False
        return progress.epoch > progress.improved_epoch + patience

    def is_over(self) -> bool:
        """Whether the time limit has passed."""
        return self._limit is not None and time.monotonic() > self._limit
