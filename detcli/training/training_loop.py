"""Training: epochs of steps, evaluated and saved; one process or many, to its end or from where it was ended.

What comes out follows from the job alone: a run that is killed and resumed ends in the same bytes on a CPU.
"""

from collections.abc import Iterator
from itertools import islice

import torch

from detcli.errors import DataError, DivergedError, OutputError, UsageError
from detcli.evaluation.evaluate_model import common_categories
from detcli.inference.preprocess import Preprocessor
from detcli.runtimes.torch_runtime import choose_device, choose_precision
from detcli.structures.stop_signal import StopSignal
from detcli.training.data.data_loader import DataLoader, MicroBatch
from detcli.training.data.sampler import Sampler
from detcli.training.data.samples import LoadFailure
from detcli.training.optimization.distributed import Processes, joined, local_device
from detcli.training.optimization.optimizer import schedule_factor
from detcli.training.resources import TrainingSpeed, memory_bytes, reading_threads
from detcli.training.state.checkpointing import Checkpointer
from detcli.training.state.model_exporter import ModelExporter
from detcli.training.state.run_folder import RunFolder
from detcli.training.training_events import (
    EpochEnded,
    Evaluated,
    Event,
    Observer,
    TrainingNote,
    TrainingStarted,
    TrainingStep,
)
from detcli.training.training_job import TrainingJob, TrainingResult
from detcli.training.training_setup import make_learner
from detcli.training.validation import ValidationResult, judged

__all__ = ["TrainingJob", "TrainingResult", "train"]

_RESTART_STEP = 1e-4  # of the average's decay, each time that training begins again


def train(job: TrainingJob, *, observer: Observer | None = None, stop: StopSignal | None = None) -> TrainingResult:
    """Train to the end of the recipe, or until `stop` is set: then the step in hand is finished and the state saved.

    observer  is told what happens; of several processes only the first one tells
    stop      may be set by a signal handler, in any of the processes

    Raises UsageError for a job that makes no sense or cannot be resumed, OutputError where the folder holds a run, is
    in use or cannot be written (what was saved before is whole), DataError for too many unreadable images,
    DivergedError for numbers that are not finite, and DeviceError.
    """
    device = local_device(choose_device(job.device))
    _check(job, device)
    with joined(device) as processes:
        folder = RunFolder(job.run)
        try:
            if processes.first and job.resume:
                folder.reopen()
            elif processes.first:
                folder.begin(job.recipe, overwrite=job.if_exists == "overwrite")
            tell = observer if observer is not None and processes.first else _nobody
            return _Run(job, folder, device, processes, tell, stop or StopSignal()).to_the_end()
        finally:
            folder.close()


class _Run:
    """A run and all its parts."""

    def __init__(
        self,
        job: TrainingJob,
        folder: RunFolder,
        device: torch.device,
        processes: Processes,
        tell: Observer,
        stop: StopSignal,
    ) -> None:
        self.job, self.recipe, self.device, self.processes = job, job.recipe, device, processes
        self.tell, self.stop = tell, stop
        self.keeper = ModelExporter(job, device)
        self.sampler = Sampler.of(job.recipe, len(job.data), rank=processes.rank, size=processes.size)
        self.workers = reading_threads(job.workers, processes)
        self.learner = make_learner(job, device, processes)
        self.saver = Checkpointer(job, folder, self.learner, self.keeper, processes=processes, device=device, tell=tell)
        self.progress = self.saver.progress
        self.speed = TrainingSpeed()

    def to_the_end(self) -> TrainingResult:
        """Run every step that is left."""
        progress, job = self.progress, self.job
        self.tell(self._started())
        feed = DataLoader(
            job.data,
            self.sampler,
            job.recipe,
            preprocessor=Preprocessor(self.keeper.preprocessing, self.device),
            divisor=job.family.size_divisor,
            device=self.device,
        )
        interrupted: str | None = None
        try:
            with feed.running(progress.epoch, progress.step, self.workers) as parts:
                while progress.epoch < self.recipe.epochs and interrupted is None:
                    interrupted = self._rest_of_the_epoch(parts)
            self.saver.finish(whole=interrupted is None)
        except DivergedError as error:
            judging = progress.step == self.sampler.steps  # and what was saved last is what is evaluated
            left = self.saver.what_is_best() if judging else self.saver.what_is_left()
            raise DivergedError(f"{error}. {left}; a lower lr may help") from error
        except OutputError as error:
            raise OutputError(f"{error}. {self.saver.what_is_left()}") from error
        finally:
            self.saver.close()
        return TrainingResult(
            run=job.run,
            epochs=progress.epoch,
            steps=progress.steps,
            best=progress.best,
            best_epoch=progress.best_epoch,
            metrics=progress.metrics,
            unreadable=dict(progress.unreadable),
            interrupted=interrupted,
        )

    def _started(self) -> TrainingStarted:
        sizes = [parameter.numel() for parameter in self.learner.network.parameters()]
        learning = [parameter.numel() for parameter in self.learner.optimizer.parameters.values()]
        return TrainingStarted(
            epochs=self.recipe.epochs,
            steps_per_epoch=self.sampler.steps,
            epoch=self.progress.epoch,
            step=self.progress.step,
            images=len(self.job.data),
            val_images=len(self.job.val) if self.job.val is not None else None,
            batch=self.recipe.batch,
            parameters=sum(sizes),
            learning=sum(learning),
            device=str(self.device),
            precision=self.recipe.precision,
            processes=self.processes.size,
        )

    def _rest_of_the_epoch(self, parts: Iterator[MicroBatch]) -> str | None:
        """Run the steps that are left of the epoch, and end it; the name of a signal where it was not ended."""
        progress = self.progress
        while progress.step < self.sampler.steps:
            interrupted = self._step(parts)
            if interrupted is not None:
                self.saver.save()
                return interrupted
            if progress.step < self.sampler.steps and self.saver.is_due():
                self.saver.save()
        return self._end_epoch()

    def _step(self, parts: Iterator[MicroBatch]) -> str | None:
        progress, recipe, optimizer = self.progress, self.recipe, self.learner.optimizer
        epoch, step, in_all = progress.epoch, progress.step, self.recipe.epochs * self.sampler.steps
        optimizer.set_factor(schedule_factor(recipe, progress.steps, epoch=epoch, steps_in_all=in_all))
        reckoning = self.learner.step(
            islice(parts, recipe.accumulate),
            epoch=epoch,
            step=step,
            asked_to_stop=(self.stop.signal or "SIGINT") if self.stop.is_set() else None,
        )
        progress.take(reckoning.losses)
        self._note(reckoning.failures)
        if progress.recently == recipe.log_every_steps:
            self.saver.log_steps()
        speed, memory = self.speed.after(reckoning.images), memory_bytes(self.device)
        self.tell(TrainingStep(epoch, step, reckoning.losses, optimizer.rate, reckoning.gradient_norm, speed, memory))
        return reckoning.asked_to_stop

    def _note(self, failures: tuple[LoadFailure, ...]) -> None:
        """Name images that cannot be read, each once. Raises DataError where there are too many of them."""
        progress = self.progress
        for failure in failures:
            if failure.index not in progress.failed:
                progress.failed.append(failure.index)
            if failure.file not in progress.unreadable:
                progress.unreadable[failure.file] = failure.reason
                self.tell(
                    TrainingNote(f"cannot read '{failure.file}': {failure.reason}; another image takes its place")
                )
        if len(progress.failed) > self.recipe.max_failed_fraction * self.sampler.distinct:
            names = ", ".join(f"'{name}'" for name in list(progress.unreadable)[:10])
            raise DataError(
                f"{len(progress.failed)} of the {self.sampler.distinct} images of an epoch cannot be read, more than "
                f"max_failed_fraction = {self.recipe.max_failed_fraction:g} allows: {names}"
            )

    def _end_epoch(self) -> str | None:
        """Evaluate, keep and save; the name of a signal where it came in between."""
        progress, saver = self.progress, self.saver
        epoch = progress.epoch
        validation_result: ValidationResult | None = None
        if self.job.val is not None and self._is_judged(epoch):
            saver.save()  # evaluating may take long
            validation_result = self._judged(epoch)
            if validation_result is None:
                return self.stop.signal or "SIGINT"
        losses = progress.means()
        saver.write_epoch(validation_result.metrics if validation_result is not None else None)
        if validation_result is not None:
            best = progress.best is None or validation_result.ap >= progress.best  # of equals the one that saw more
            if best:
                saver.keep_best(validation_result.ap)
            self.tell(Evaluated(epoch, validation_result.metrics, best))
        self._turn(epoch, validation_result.ap if validation_result is not None else None)
        self.tell(EpochEnded(epoch, losses, validation_result.metrics if validation_result is not None else None))
        progress.next_epoch()
        saver.save(weights=False)
        self.speed.restart()
        return None

    def _is_judged(self, epoch: int) -> bool:
        return (epoch + 1) % self.recipe.evaluate_every_epochs == 0 or epoch + 1 == self.recipe.epochs

    def _judged(self, epoch: int) -> ValidationResult | None:
        assert self.job.val is not None  # noqa: S101 - the caller has looked
        validation_result = judged(
            self.keeper.detector(self.learner.average.state(), self.saver.folder.last),
            self.job.val,
            epoch=epoch,
            processes=self.processes,
            workers=self.workers,
            stop=self.stop,
            tell=self.tell,
            iou_type=self.keeper.iou_type,
        )
        if validation_result is not None and self.progress.metrics is None:
            for sentence in validation_result.notes:
                self.tell(TrainingNote(sentence))
        return validation_result

    def _turn(self, epoch: int, ap: float | None) -> None:
        """Begin again from the best state where epochs without augmentation begin, and where they lead no further.

        Source: the D-FINE repository's solver. From the epoch on at which augmentation stops, the average gets another
        decay; it becomes shorter with each epoch that is evaluated worse than those since training last began again.
        """
        progress, average, stop_at = self.progress, self.learner.average, self.recipe.stop_augmentation_epoch
        if not 0 < stop_at < self.recipe.epochs or epoch + 1 == self.recipe.epochs:
            return
        if epoch + 1 < stop_at:
            return
        if epoch + 1 == stop_at:
            self.saver.begin_anew()
            average.decay = self.recipe.ema_restart_decay
            progress.round_best = progress.best
        elif ap is not None and (progress.round_best is None or ap >= progress.round_best):
            progress.round_best = ap
        elif ap is not None:
            decay = average.decay
            self.saver.begin_anew()
            average.decay = max(0.0, decay - _RESTART_STEP)
            progress.round_best = None


def _check(job: TrainingJob, device: torch.device) -> None:
    """Raise UsageError or DataError for what would only come out after an epoch."""
    choose_precision(job.recipe.precision, device)
    job.recipe.check()
    names, own = job.config.labels, job.data.labels.names
    if names != own:
        raise UsageError(
            f"the network finds {len(names)} classes ({names[0]}, …), the data has {len(own)}: {own[0]}, …"
        )
    if not len(job.data):
        raise DataError(f"there are no images in '{job.data.report.name}'")
    if job.val is not None and not common_categories(job.data.labels, job.val.labels):
        raise DataError(f"'{job.data.report.name}' and '{job.val.report.name}' have no class in common")


def _nobody(event: Event) -> None:
    """Watch nothing."""
