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

    max_hours  time limit; a resumed run has all of it again; None: no limit
    since      what `time.monotonic` said where the limit starts; None: at the creation of this object
    """

    def __init__(
        self,
        recipe: Recipe,
        progress: TrainingProgress,
        processes: Processes,
        *,
        max_hours: float | None,
        since: float | None = None,
    ) -> None:
        self._recipe, self._progress, self._processes = recipe, progress, processes
        now = time.monotonic()
        self._seconds = None if max_hours is None else max_hours * _SECONDS_PER_HOUR
        self._begun = now if since is None else since
        self._limit = None if self._seconds is None else self._begun + self._seconds
        self._preparation_s = 0.0
        self._epoch_started, self._longest_epoch = now, 0.0
        self._measured_from, self._measured, self._is_whole = now, 0, True
        self._is_forecast = False

    def start(self) -> None:
        """Count the time of epochs from now on."""
        self._epoch_started = self._measured_from = now = time.monotonic()
        self._preparation_s = now - self._begun
        self._is_whole = self._progress.step == 0  # the first epoch; else it was begun before

    def after_epoch(self) -> EarlyEnd | None:
        """Why the run ends after this epoch, if it does; with a time limit, if the next epoch would pass it."""
        now = time.monotonic()
        self._longest_epoch = max(self._longest_epoch, now - self._epoch_started)
        self._epoch_started = now
        if self._is_whole:
            self._measured += 1
        else:
            self._measured_from, self._is_whole = now, True
        if self.is_without_progress():
            return "patience"
        is_over = self._limit is not None and now + self._longest_epoch > self._limit
        return TIME_LIMIT if self._processes.from_first(is_over) else None

    def forecast(self) -> str | None:
        """A sentence, once, if the time limit ends the run early: after the first whole epochs that include a validation."""
        recipe, done = self._recipe, self._progress.epoch
        every = recipe.evaluate_every_epochs
        if self._limit is None or self._seconds is None or self._is_forecast or done % every or self._measured < every:
            return None
        self._is_forecast = True
        epoch_s = max(1e-9, (self._epoch_started - self._measured_from) / self._measured)
        last = done + int((self._limit - self._epoch_started) / epoch_s)
        if last >= recipe.epochs:
            return None
        sentence = (
            f"`max_hours` ends the run after about {last:,} of its {recipe.epochs:,} epochs, and `resume` continues it"
        )
        fitting = int((self._seconds - self._preparation_s) / epoch_s)
        if recipe.schedule == "constant" or fitting < 1:
            return sentence
        return f"{sentence}; a new run with `epochs` {fitting:,} ends in this time with the lowest learning rate"

    def is_without_progress(self) -> bool:
        """Whether the AP has not risen for as many epochs as the recipe's `patience`; an AP of 0 counts as a rise."""
        progress, patience = self._progress, self._recipe.patience
        if not patience or progress.improved_epoch is None or progress.epoch % self._recipe.evaluate_every_epochs:
            return False
        return progress.epoch > progress.improved_epoch + patience

    def is_over(self) -> bool:
        """Whether the time limit has passed."""
        return self._limit is not None and time.monotonic() > self._limit
