"""The experiments of a run: its metrics, images and result, sent to each logger that was asked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detcli.structures.frame import Pixels
from detcli.training.logs.logger import LOGGERS, Ending, Experiment
from detcli.training.logs.logger_queues import BackgroundQueue, DirectQueue, LoggerQueue
from detcli.training.logs.saved_experiments import SavedExperiments
from detcli.training.recipes.recipe import Recipe
from detcli.training.state.run_folder import RunFolder
from detcli.training.training_events import Event, TrainingNote

_MAX_CLASSES = 100  # with a line of their own

Line = Mapping[str, Any]


class ExperimentLogs:
    """Logs a run; only the first process has one.

    names   of the loggers
    steps   number of steps before
    notify  called with a sentence where an experiment is, and once for each logger that fails: the run goes on

    Raises OutputError if a file cannot be written.
    """

    def __init__(
        self, names: Sequence[str], folder: RunFolder, recipe: Recipe, *, steps: int, notify: Callable[[Event], None]
    ) -> None:
        self._notify = notify
        self._queues: list[LoggerQueue] = []
        saved = SavedExperiments(folder.experiments) if names else None
        for name in names if saved is not None else ():
            assert saved is not None  # noqa: S101 - for mypy
            logger = LOGGERS[name]()
            experiment = Experiment(
                folder=folder.path,
                hyperparameters=recipe.as_mapping(),
                steps=steps,
                saved_id=saved.id_of(name),
            )
            queue = BackgroundQueue if logger.in_background else DirectQueue
            try:
                self._queues.append(queue(name, logger, experiment, saved))
            except BaseException:
                self.close("failed")  # those that are open
                raise
        self._tell()

    @property
    def takes_images(self) -> bool:
        """Whether there is a logger."""
        return bool(self._queues)

    def add(self, line: Line, class_ap: Mapping[str, float | None] | None = None) -> None:
        """Log a line of metrics.jsonl, and the AP of classes by name."""
        values = line_values(line)
        if class_ap is not None and len(class_ap) <= _MAX_CLASSES:
            values |= {f"class_ap/{name}": value for name, value in class_ap.items() if value is not None}
        for queue in self._queues:
            queue.put("epoch" if line["kind"] == "epoch" else "steps", values, int(line["step"]))
        self._tell()

    def add_images(self, images: Mapping[str, Pixels], step: int) -> None:
        """Log images by their tags."""
        for queue in self._queues if images else ():
            queue.put("images", images, step)
        self._tell()

    def add_summary(self, *, best: float | None, best_epoch: int | None, step: int) -> None:
        """Log the highest AP and its epoch, from 1; nothing if nothing was evaluated."""
        if best is not None and best_epoch is not None:
            for queue in self._queues:
                queue.put("summary", {"best/AP": best, "best/epoch": float(best_epoch + 1)}, step)

    def close(self, ending: Ending) -> None:
        """End the experiments; safe twice."""
        for queue in self._queues:
            queue.close(ending)
        self._tell()
        self._queues = []

    def _tell(self) -> None:
        for queue in self._queues:
            for sentence in queue.news():
                self._notify(TrainingNote(sentence))


def line_values(line: Line) -> dict[str, float]:
    """The numbers of a line of metrics.jsonl by the tags of loggers; those without a value are left out."""
    part = "epoch" if line["kind"] == "epoch" else "steps"
    values = {f"{part}/{name}": value for name, value in line["losses"].items()}
    values |= {f"{part}/loss": line["loss"], f"{part}/lr": line["lr"]}
    values |= {f"val/{name}": value for name, value in (line.get("val_losses") or {}).items()}
    values |= {"val/loss": line.get("val_loss")}
    values |= {f"metrics/{name}": value for name, value in (line.get("metrics") or {}).items()}
    return {name: value for name, value in values.items() if value is not None}
