"""Training steps of a job on a network of their own."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import torch

from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.torch_runtime import choose_device
from detcli.training.data.data_loader import DataLoader, MicroBatch
from detcli.training.data.image_balance import image_balance
from detcli.training.optimization.distributed import Processes
from detcli.training.optimization.train_step import StepResult
from detcli.training.recipes.recipe import Recipe
from detcli.training.resources import reading_threads
from detcli.training.state.model_exporter import ModelExporter
from detcli.training.training_job import TrainingJob
from detcli.training.training_setup import make_train_step


class TrialSteps:
    """The train step of a job, on images of its data.

    device      of the job
    train_step  with a network of its own
    """

    def __init__(self, job: TrainingJob) -> None:
        self.device = choose_device(job.device)
        self._job = replace(job, resume=False, balance=job.balance or image_balance(job.recipe, job.data))
        self._number = 0
        with self._own_random_numbers():
            self.train_step = make_train_step(self._job, self.device, Processes())

    def step(self, micro_batches: Iterable[MicroBatch]) -> StepResult:
        """Train on the micro-batches of a step. Raises what a step raises."""
        self._number += 1
        with self._own_random_numbers():
            return self.train_step.step(micro_batches, epoch=0, step=self._number, stop_signal=None)

    @contextmanager
    def micro_batches(self, recipe: Recipe | None = None) -> Iterator[Iterator[MicroBatch]]:
        """The micro-batches of the job, or of another recipe."""
        with reading_micro_batches(self._job, recipe or self._job.recipe, self.device) as (micro_batches, _):
            yield micro_batches

    def _own_random_numbers(self) -> AbstractContextManager[None]:
        return torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else ())


@contextmanager
def reading_micro_batches(
    job: TrainingJob, recipe: Recipe, device: torch.device, *, epoch: int = 0
) -> Iterator[tuple[Iterator[MicroBatch], int]]:
    """The micro-batches of a job in one process with another recipe, from an epoch on, and the steps of an epoch."""
    sampler = job.sampler(recipe)
    loader = DataLoader(
        job.data,
        sampler,
        recipe,
        preprocessor=Preprocessor(ModelExporter(replace(job, recipe=recipe), device).preprocessing, device),
        divisor=job.family.size_divisor,
        device=device,
        masks=job.trains_masks,
    )
    with loader.running(epoch, 0, reading_threads(job.workers, Processes())) as micro_batches:
        yield micro_batches, sampler.steps
