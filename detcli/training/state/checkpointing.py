"""What a run leaves on the disk as it goes: its state, its models, its metrics. Only the first process writes."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from detcli.datasets.dataset import Dataset
from detcli.training.curves import Curves
from detcli.training.optimization.distributed import Processes
from detcli.training.optimization.train_step import TrainStep
from detcli.training.state.model_exporter import ModelExporter
from detcli.training.state.run_folder import RunFolder
from detcli.training.state.training_state import Snapshot, TrainingProgress, read_snapshot, require_same, write_snapshot
from detcli.training.training_events import CheckpointSaved, Observer, TrainingNote
from detcli.training.training_job import TrainingJob

# They say when and how often something is written, and nothing of what comes out in the end.
_HARMLESS = ("save_every_s",)


class Checkpointer:
    """Writes what a run comes to, and brings back what an earlier one had.

    progress  of the run, from where it continues
    """

    def __init__(
        self,
        job: TrainingJob,
        folder: RunFolder,
        learner: TrainStep,
        keeper: ModelExporter,
        *,
        processes: Processes,
        device: torch.device,
        tell: Observer,
    ) -> None:
        self.job, self.folder = job, folder
        self._learner, self._keeper, self._processes, self._device = learner, keeper, processes, device
        self._tell, self._writes = tell, processes.first
        self._saved: tuple[int, int] | None = None
        self._saved_at = time.monotonic()
        self.progress = self._resumed() if job.resume else TrainingProgress()
        self._curves = Curves(folder, self.progress.steps, tell) if self._writes else None
        if not job.resume:
            self.save()  # so that there is something to continue from, and a disk that can be written

    def save(self, *, weights: bool = True) -> None:
        """Put the state on the disk, and before it the average as a model."""
        self._saved_at = time.monotonic()
        if not self._writes:
            return
        if weights:
            self._keeper.write(self.folder.last, self._learner.average.state())
        self.progress.metrics_bytes = self.folder.lines_bytes()
        write_snapshot(self.folder.state, self._snapshot())
        self._saved = self.progress.epoch, self.progress.step
        self._tell(CheckpointSaved(*self._saved))

    def is_due(self) -> bool:
        """Whether the last state is old enough for a new one."""
        return time.monotonic() - self._saved_at > self.job.recipe.save_every_s

    def log_steps(self) -> None:
        """A line of metrics for the steps since the last one."""
        progress = self.progress
        losses = {name: value / progress.recently for name, value in progress.recent.items()}
        progress.recent, progress.recently = {}, 0
        self._add_line("steps", losses, {})

    def write_epoch(self, metrics: Mapping[str, float | None] | None) -> None:
        """The epoch's line of metrics, and the average as it is."""
        more: dict[str, Any] = {"failed": len(self.progress.failed)}
        if metrics is not None:
            self.progress.metrics = more["metrics"] = dict(metrics)
        self._add_line("epoch", self.progress.means(), more)
        if self._writes:
            self._keeper.write(self.folder.last, self._learner.average.state())
        if self._curves is not None:
            self._curves.draw_now_and_then()

    def keep_best(self, ap: float) -> None:
        """Keep the average as the best model; while images are augmented, the state too, to begin again from."""
        progress, stop_at = self.progress, self.job.recipe.stop_augmentation_epoch
        progress.best, progress.best_epoch = ap, progress.epoch
        if self._writes:
            self._keeper.write(self.folder.best, self._learner.average.state())
        if progress.epoch < stop_at < self.job.recipe.epochs:
            progress.restart_epoch = progress.epoch
            if self._writes:
                write_snapshot(self.folder.restart, self._snapshot())

    def begin_anew(self) -> None:
        """Take the learner back to the best state of the epochs with augmentation, if any was evaluated."""
        if self.progress.restart_epoch is None:
            return
        self._load(read_snapshot(self.folder.restart) if self._writes else None)
        self._tell(
            TrainingNote(f"training continues from epoch {self.progress.restart_epoch + 1}, the best with augmentation")
        )

    def finish(self, *, whole: bool) -> None:
        """Draw the curves, and let go of what a whole run needs no more."""
        if self._curves is not None:
            self._curves.draw()
        if whole and self._writes:
            self.folder.restart.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of open files."""
        if self._curves is not None:
            self._curves.close()

    def what_is_left(self) -> str:
        """A sentence on what the disk holds when a run fails."""
        if self._saved is None:
            return "Nothing was saved before"
        epoch, step = self._saved
        done = f"epoch {epoch + 1}, step {step}" if step else f"epoch {epoch}" if epoch else "the very beginning"
        return (
            f"What was saved after {done} is whole: '{self.folder.last}' is a model, and --resume continues from there"
        )

    def what_is_best(self) -> str:
        """A sentence on what the disk holds when the weights that were saved last are of no use."""
        if self.progress.best_epoch is None:
            return f"'{self.folder.last}' is of no use, and there is no better one"
        return f"'{self.folder.last}' is of no use; '{self.folder.best}', of epoch {self.progress.best_epoch + 1}, is whole"

    def _add_line(self, kind: str, losses: Mapping[str, float], more: Mapping[str, Any]) -> None:
        line = {
            "kind": kind,
            "epoch": self.progress.epoch,
            "step": self.progress.steps,
            "lr": self._learner.optimizer.rate,
            "loss": sum(losses.values()),
            "losses": dict(losses),
            **more,
        }
        if self._writes:
            self.folder.add_line(line)
        if self._curves is not None:
            self._curves.add(line)

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._learner.state(), self._learner.counters(), self.progress, self._identity())

    def _identity(self) -> dict[str, Any]:
        """What a run must have in common with the one it continues with."""
        recipe = {name: value for name, value in self.job.recipe.as_mapping().items() if name not in _HARMLESS}
        return {
            "recipe": recipe,
            "network": self._keeper.config_json(),
            "data": _facts(self.job.data),
            "val": _facts(self.job.val) if self.job.val is not None else None,
        }

    def _resumed(self) -> TrainingProgress:
        snapshot = read_snapshot(self.folder.state) if self._writes else None
        if snapshot is not None:
            require_same(snapshot.identity, self._identity(), self.folder.path)
            self.folder.cut_lines(snapshot.progress.metrics_bytes)
            self._saved = snapshot.progress.epoch, snapshot.progress.step
        self._load(snapshot)
        return self._processes.from_first(snapshot.progress if snapshot is not None else TrainingProgress())

    def _load(self, snapshot: Snapshot | None) -> None:
        """Bring the first process's snapshot to the learners of all."""
        tensors = self._processes.tensors_from_first(snapshot.tensors if snapshot is not None else None, self._device)
        counters = self._processes.from_first(snapshot.counters if snapshot is not None else {})
        self._learner.load(tensors, counters)


def _facts(data: Dataset) -> dict[str, Any]:
    """What two datasets are told apart by; not their names, which depend on where the user stands."""
    return {
        "classes": list(data.labels.names),
        "category_ids": list(data.labels.category_ids),
        "images": len(data),
        "boxes": dict(data.report.boxes_of),
    }
