"""How long a training step takes, measured on a few small ones."""

import time
from dataclasses import dataclass, replace

import torch

from detcli.training.training_job import TrainingJob
from detcli.training.trials.trial_steps import TrialSteps

_FIRST_IMAGES = 2  # of the first steps on a CPU; a GPU takes a whole micro-batch at once
_SHORT_STEP_S = 1.0  # after such a step, four times as many images are measured
_LONG_STEP_S = 10.0  # such a first step is the measurement


@dataclass(frozen=True, slots=True)
class StepTime:
    """The time of a step.

    seconds  of a step of the recipe, scaled from the measured images
    images   number of images that were measured
    """

    seconds: float
    images: int


def measure_step(job: TrainingJob) -> StepTime:
    """Run a few steps of few images and return the time of a whole step. Raises what a step raises."""
    whole, recipe = job.recipe, replace(job.recipe, batch=job.recipe.batch // job.recipe.accumulate, accumulate=1)
    job = replace(job, recipe=recipe)
    steps = TrialSteps(job)
    most = max(1, min(recipe.batch, len(job.data)))
    images = most if steps.device.type == "cuda" else min(most, _FIRST_IMAGES)
    seconds = _seconds(steps, job, images)  # the first step is slower than the others
    if seconds < _LONG_STEP_S:
        seconds = _seconds(steps, job, images)
    while images < most and seconds < _SHORT_STEP_S:
        images = min(4 * images, most)
        seconds = _seconds(steps, job, images)
    step_images = min(whole.batch, whole.images_per_epoch or len(job.data))
    return StepTime(seconds * step_images / images, images)


def _seconds(steps: TrialSteps, job: TrainingJob, images: int) -> float:
    """The time of a step of so many images, without reading them."""
    with steps.micro_batches(replace(job.recipe, batch=images, images_per_epoch=images)) as batches:
        batch = next(batches)  # in a run, images are read ahead
        started = time.monotonic()
        steps.step([batch])
        if steps.device.type == "cuda":
            torch.cuda.synchronize(steps.device)
        return time.monotonic() - started
