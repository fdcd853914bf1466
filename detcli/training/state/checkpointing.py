"""Writes the state, models and metrics of a run while it runs. Only the first process writes."""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch

from detcli.errors import DamagedModelError
from detcli.training.logs.curves import Curves
from detcli.training.logs.experiment_logs import ExperimentLogs
from detcli.training.logs.logger import Ending, logger_names
from detcli.training.logs.validation_images import draw_validation
from detcli.training.optimization.distributed import Processes
from detcli.training.optimization.train_step import TrainStep
from detcli.training.state.model_exporter import ModelExporter
from detcli.training.state.run_folder import RunFolder
from detcli.training.state.run_identity import complete_identity, require_same, run_identity
from detcli.training.state.training_state import Snapshot, TrainingProgress, read_snapshot, write_snapshot
from detcli.training.training_events import CheckpointSaved, Observer, TrainingNote
from detcli.training.training_job import TrainingJob
from detcli.training.validation import ValidationResult


class Checkpointer:
    """Writes checkpoints of a run, and restores them.

    progress  of the run; of a resumed one, as it was saved
    """

    def __init__(
        self,
        job: TrainingJob,
        folder: RunFolder,
        learner: TrainStep,
        exporter: ModelExporter,
        *,
        processes: Processes,
        device: torch.device,
        notify: Observer,
    ) -> None:
        self.job, self.folder = job, folder
        self._train_step, self._exporter, self._processes, self._device = learner, exporter, processes, device
        self._notify, self._writes = notify, processes.is_first
        self._saved: tuple[int, int] | None = None
        self._saved_at = time.monotonic()
        self.progress = self._resumed() if job.resume else TrainingProgress()
        self._curves = Curves(folder, notify) if self._writes else None
        self._ending: Ending = "failed"
        if not job.resume:
            self.save()  # so that the run can be resumed from the start, and to check that the disk can be written
        loggers = logger_names(job.log_to) if self._writes else ()
        self._logs = ExperimentLogs(loggers, folder, job.recipe, steps=self.progress.steps, notify=notify)

    def save(self, *, weights: bool = True) -> None:
        """Write the state, and before it the average as a model."""
        self._saved_at = time.monotonic()
        if not self._writes:
            return
        if weights:
            self._exporter.write(self.folder.last, self._train_step.average.state())
        self.progress.metrics_bytes = self.folder.lines_bytes()
        write_snapshot(self.folder.state, self._snapshot())
        self._saved = self.progress.epoch, self.progress.step
        self._notify(CheckpointSaved(*self._saved))

    def is_due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved_at > self.job.recipe.save_every_s

    def log_steps(self) -> None:
        """Write a line of metrics for the steps since the last one."""
        progress = self.progress
        losses = {name: value / progress.recent_steps for name, value in progress.recent_losses.items()}
        progress.recent_losses, progress.recent_steps = {}, 0
        self._add_line("steps", losses, {})

    def write_epoch(self, validation_result: ValidationResult | None) -> None:
        """Write the epoch's line of metrics, and the average as a model."""
        more: dict[str, Any] = {"failed": len(self.progress.failed_indices)}
        if self.job.recipe.max_skipped_steps:
            more["skipped"] = self.progress.skipped_steps
        if validation_result is not None:
            losses = validation_result.losses
            more |= {"val_loss": sum(losses.values()) if losses else None, "val_losses": dict(losses)}
            self.progress.metrics = more["metrics"] = dict(validation_result.metrics)
        self._add_line("epoch", self.progress.means(), more, validation_result)
        if self._writes:
            threshold = None if validation_result is None else validation_result.threshold
            self._exporter.write(self.folder.last, self._train_step.average.state(), threshold)
        if self._curves is not None:
            self._curves.draw_if_due()
        self._log_images(validation_result)

    def keep_best(self, validation_result: ValidationResult) -> None:
        """Write the average as the best model; while images are augmented, the state too, for a restart."""
        progress, stop_at = self.progress, self.job.recipe.stop_augmentation_epoch
        if progress.best is None or validation_result.ap > progress.best or not validation_result.ap:
            progress.improved_epoch = progress.epoch
        progress.best, progress.best_epoch = validation_result.ap, progress.epoch
        if self._writes:
            self._exporter.write(self.folder.best, self._train_step.average.state(), validation_result.threshold)
        if progress.epoch < stop_at < self.job.recipe.epochs:
            progress.restart_epoch = progress.epoch
            if self._writes:
                write_snapshot(self.folder.restart, self._snapshot())

    def restart_from_best(self) -> None:
        """Restore the best state of the epochs with augmentation, if any was evaluated."""
        if self.progress.restart_epoch is None:
            return
        self._load(read_snapshot(self.folder.restart) if self._writes else None)
        self._notify(
            TrainingNote(f"training restarts from epoch {self.progress.restart_epoch + 1}, the best with augmentation")
        )

    def finish(self, *, complete: bool) -> None:
        """Draw the curves, log the result of a complete run, and remove what it does not need."""
        self._ending = "finished" if complete else "stopped"
        if complete:
            progress = self.progress
            self._logs.add_summary(best=progress.best, best_epoch=progress.best_epoch, step=progress.steps)
        if self._curves is not None:
            self._curves.draw()
        if complete and self._writes:
            self.folder.restart.unlink(missing_ok=True)

    def close(self) -> None:
        """Close open files and experiments."""
        self._logs.close(self._ending)

    def describe_saved_state(self) -> str:
        """A sentence on what is saved when a run fails."""
        if self._saved is None:
            return "Nothing was saved"
        epoch, step = self._saved
        saved_at = f"epoch {epoch + 1}, step {step}" if step else f"epoch {epoch}" if epoch else "no step"
        return f"The checkpoint after {saved_at} is complete: '{self.folder.last}' is a model, and `resume` continues from it"

    def describe_best_model(self) -> str:
        """A sentence on which model is usable when the last weights are not."""
        if self.progress.best_epoch is None:
            return f"'{self.folder.last}' is unusable, and there is no best model"
        return f"'{self.folder.last}' is unusable; '{self.folder.best}', of epoch {self.progress.best_epoch + 1}, is complete"

    def _log_images(self, validation_result: ValidationResult | None) -> None:
        if validation_result is None or self.job.val is None or not self._logs.takes_images:
            return
        threshold = None if validation_result.threshold is None else validation_result.threshold.value
        images = draw_validation(self.job.val, validation_result.shown, threshold)
        self._logs.add_images(images, self.progress.steps)

    def _add_line(
        self,
        kind: str,
        losses: Mapping[str, float],
        more: Mapping[str, Any],
        validation_result: ValidationResult | None = None,
    ) -> None:
        line = {
            "kind": kind,
            "epoch": self.progress.epoch,
            "step": self.progress.steps,
            "lr": self._train_step.optimizer.rate,
            "loss": sum(losses.values()),
            "losses": dict(losses),
            **more,
        }
        if self._writes:
            self.folder.add_line(line)
        self._logs.add(line, None if validation_result is None else validation_result.class_ap)

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._train_step.state(), self._train_step.counters(), self.progress, self._identity)

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with the saved one."""
        return run_identity(self.job, self._exporter.config_json())

    def _resumed(self) -> TrainingProgress:
        snapshot = read_snapshot(self.folder.state) if self._writes else None
        if snapshot is not None:
            require_same(complete_identity(snapshot.identity, self._identity), self._identity, self.folder.path)
            self.folder.cut_lines(snapshot.progress.metrics_bytes)
            self._saved = snapshot.progress.epoch, snapshot.progress.step
        self._load(snapshot)
        return self._processes.from_first(snapshot.progress if snapshot is not None else TrainingProgress())

    def _load(self, snapshot: Snapshot | None) -> None:
        """Load the first process's snapshot in all processes."""
        tensors = self._processes.tensors_from_first(snapshot.tensors if snapshot is not None else None, self._device)
        counters = self._processes.from_first(snapshot.counters if snapshot is not None else {})
        try:
            self._train_step.load(tensors, counters)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DamagedModelError(
                f"'{self.folder.state}' does not fit the network and the optimizer of the run: {reason[:300]}"
            ) from error
