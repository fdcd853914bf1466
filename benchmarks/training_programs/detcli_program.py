"""Trains a model with `detcli train`: with a recipe, as many epochs as fit into the budget."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.training_programs.run_log import Job, Result, RunLog
from detcli.cli.framework.assignments import parse_assignments
from detcli.datasets.dataset import open_dataset
from detcli.engine.process import tune_process
from detcli.engine.requests.run_settings import ComputeSettings, ModelSettings
from detcli.engine.requests.training_request import TrainingPlan, TrainingRequest
from detcli.engine.training.train import prepare_training, run_plan
from detcli.evaluation.evaluate_model import predict_dataset
from detcli.inference.load import load_detector
from detcli.training.training_events import EpochEnded, Evaluated, Event, TrainingStep
from detcli.version import __version__

_PROBE = 0.015  # of the budget, for steps that are measured
_FEWEST_PROBE_STEPS = 4
_MARGIN = 0.05  # of the budget, for epochs that take longer than the probe


def main() -> None:
    """Measure some steps, train, and write what is compared."""
    job = Job.from_json(sys.argv[1])
    torch.set_num_threads(job.threads)
    tune_process(ComputeSettings())
    times = _probe(job, _plan(job, {}))
    epochs = _fitting_epochs(job, times)
    plan = _plan(job, {"epochs": epochs}, output=job.folder / "run", max_hours=max(job.left(), 1.0) / 3600)
    log, recipe = RunLog(job), plan.recipe
    epoch_images, best = plan.steps_per_epoch * recipe.batch, job.folder / "run" / "best"

    def on_event(event: Event) -> None:
        if isinstance(event, Evaluated):
            log.add(
                epoch=event.epoch + 1,
                images=(event.epoch + 1) * epoch_images,
                ap=event.metrics["AP"] or 0.0,
                save=(lambda folder: shutil.copytree(best, folder, dirs_exist_ok=True)) if event.best else None,
            )

    result = run_plan(plan, on_event=on_event)
    log.finish(
        lambda folder: _predict(job, folder),
        epochs=epochs,
        early_end=result.early_end,
        versions={"detcli": __version__, "torch": torch.__version__},
        settings={name: job.options[name] for name in ("recipe", "start", "set", "device")} | {"batch": recipe.batch},
    )


def _plan(job: Job, changes: dict[str, Any], **more: Any) -> TrainingPlan:
    """The checked run; changes win over those of the job."""
    data, options = job.data_folder, job.options
    set_fields = parse_assignments("--set", options["set"], "a field of the recipe is set as NAME=VALUE")
    plan = prepare_training(
        TrainingRequest(
            data=(str(data / "train.json"),),
            val=(str(data / "val.json"),),
            images=data / "images",
            val_images=data / "images",
            model=ModelSettings(model="shapes"),
            scratch=options["start"] == "scratch",
            recipe=None if options["recipe"] is None else Path(options["recipe"]),
            changes={"image_size": [job.size, job.size], "seed": job.seed, **set_fields, **changes},
            device=job.options["device"],
            workers=job.threads if options["device"] == "cpu" else None,  # processes share the processors
            log_to=("none",),
            **more,
        )
    )
    assert plan is not None  # its folder is new
    return plan


def _probe(job: Job, plan: TrainingPlan) -> "_Times":
    """Times of steps and of a validation, from a short run."""
    steps = max(_FEWEST_PROBE_STEPS, int(_PROBE * job.budget_s / plan.measure_step().seconds))
    steps, batch = min(steps, plan.steps_per_epoch), plan.recipe.batch
    short = {"epochs": 1, "batch": batch, "images_per_epoch": min(steps * batch, len(plan.data))}
    unsaved = {"save_every_s": 1e6, "log_every_steps": steps}
    times = _Times()
    run_plan(_plan(job, short | unsaved, output=job.folder / "probe"), on_event=times)
    return times


def _fitting_epochs(job: Job, times: "_Times") -> int:
    """How many epochs with their validations fit into what is left of the budget."""
    left, epochs = job.left() - _MARGIN * job.budget_s, 1
    for _ in range(2):  # the number of epochs may decide how often a recipe validates
        plan = _plan(job, {"epochs": epochs})
        epoch_s, every = plan.steps_per_epoch * times.step_s(), plan.recipe.evaluate_every_epochs
        epochs = epochs_in(left, epoch_s, times.validation_s(), every=every)
    return epochs


class _Times:
    """Times of the steps and of the validation of a run of one epoch."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._steps, self._end = now, [], 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrainingStep):
            self._steps.append(self._now())
        elif isinstance(event, EpochEnded):
            self._end = self._now()

    def step_s(self) -> float:
        """Seconds of a step, without the first one, which is slower."""
        return (self._steps[-1] - self._steps[0]) / max(1, len(self._steps) - 1)

    def validation_s(self) -> float:
        """Seconds from the last step to the end of the epoch."""
        return self._end - self._steps[-1]


def epochs_in(left_s: float, steps_s: float, validation_s: float, *, every: int) -> int:
    """The most epochs that take no longer than `left_s`, at least 1.

    steps_s       seconds of the steps of an epoch
    validation_s  seconds of a validation, which comes after each `every` epochs and after the last one
    """
    epochs = max(1, int(left_s / (steps_s + validation_s / every)))
    while epochs > 1 and epochs * steps_s + -(-epochs // every) * validation_s > left_s:
        epochs -= 1
    return epochs


def _predict(job: Job, folder: Path) -> list[Result]:
    data = open_dataset(str(job.data_folder / "test.json"), images=job.data_folder / "images")
    return predict_dataset(load_detector(str(folder), threshold=0.0, device="cpu"), data).results


if __name__ == "__main__":
    main()
