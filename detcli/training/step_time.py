"""How long a training step takes: a few small steps are run on a network of their own, and nothing is kept."""

import time
from dataclasses import dataclass, replace
from itertools import islice

import torch

from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.torch_runtime import choose_device
from detcli.training.data.data_loader import DataLoader
from detcli.training.data.sampler import Sampler
from detcli.training.optimization.distributed import Processes
from detcli.training.resources import reading_threads
from detcli.training.state.model_exporter import ModelExporter
from detcli.training.training_job import TrainingJob
from detcli.training.training_setup import make_train_step

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
    device = choose_device(job.device)
    most = max(1, min(job.recipe.batch // job.recipe.accumulate, len(job.data)))
    images = most if device.type == "cuda" else min(most, _FIRST_IMAGES)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else ()):
        step = _MeasuredStep(job, device)
        seconds = step.seconds(images)  # the first step is slower than the others
        if seconds < _LONG_STEP_S:
            seconds = step.seconds(images)
        while images < most and seconds < _SHORT_STEP_S:
            images = min(4 * images, most)
            seconds = step.seconds(images)
    step_images = min(job.recipe.batch, job.recipe.images_per_epoch or len(job.data))
    return StepTime(seconds * step_images / images, images)


class _MeasuredStep:
    """The train step of a job, on images of its data."""

    def __init__(self, job: TrainingJob, device: torch.device) -> None:
        self._job = replace(job, recipe=replace(job.recipe, accumulate=1))
        self._device, self._number = device, 0
        self._train_step = make_train_step(self._job, device, Processes())
        self._preprocessor = Preprocessor(ModelExporter(self._job, device).preprocessing, device)

    def seconds(self, images: int) -> float:
        """The time of a step of so many images, without reading them."""
        job, device = self._job, self._device
        recipe = replace(job.recipe, batch=images, images_per_epoch=images)
        loader = DataLoader(
            job.data,
            Sampler.of(recipe, len(job.data)),
            recipe,
            preprocessor=self._preprocessor,
            divisor=job.family.size_divisor,
            device=device,
        )
        self._number += 1
        with loader.running(0, 0, reading_threads(job.workers, Processes())) as micro_batches:
            batch = list(islice(micro_batches, 1))  # in a run, images are read ahead
            started = time.monotonic()
            self._train_step.step(batch, epoch=0, step=self._number, stop_signal=None)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            return time.monotonic() - started
