"""The training loop: epochs of steps, evaluated and saved, in one or several processes, from the start or resumed.

The result depends on the job alone: a run that is killed and resumed ends in the same bytes on a CPU.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import torch

from detcli.errors import DataError, DivergedError, OutputError
from detcli.inference.preprocessing.tensor_preprocessor import Preprocessor
from detcli.runtimes.torch_runtime import choose_device
from detcli.structures.stop_signal import StopSignal
from detcli.training.data.data_loader import DataLoader, MicroBatch
from detcli.training.data.image_balance import image_balance
from detcli.training.data.samples import LoadFailure
from detcli.training.optimization.distributed import Processes, join_processes, local_device
from detcli.training.optimization.optimizer import schedule_factor
from detcli.training.optimization.process_place import place_in_environment
from detcli.training.optimization.skipped_steps import may_skip, skip_factor, skip_note
from detcli.training.resources import TrainingSpeed, memory_bytes, reading_threads
from detcli.training.state.checkpointing import Checkpointer
from detcli.training.state.model_exporter import ModelExporter
from detcli.training.state.restarts import restart_if_due
from detcli.training.state.run_end import TIME_LIMIT, RunEnd
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
from detcli.training.training_job import EarlyEnd, TrainingJob, TrainingResult
from detcli.training.training_setup import check_job, make_train_step
from detcli.training.validation import ValidationResult, validate, validation_losses
from detcli.training.validation_loss import ValidationLoss

__all__ = ["TrainingJob", "TrainingResult", "train"]


def train(job: TrainingJob, *, observer: Observer | None = None, stop: StopSignal | None = None) -> TrainingResult:
    """Train to the end of the recipe, or until `stop` is set: then the current step is finished and the state saved.

    observer  called with each event; of several processes, only in the first
    stop      may be set by a signal handler, in any of the processes

    Raises UsageError for a job that is invalid or cannot be resumed, OutputError if the folder has a run, is in use or
    cannot be written (what was saved before is complete), DataError for too many images that cannot be read,
    DivergedError for NaN or infinity, and DeviceError.
    """
    place = place_in_environment() if job.place is None else job.place
    device = local_device(choose_device(job.device), place)
    check_job(job, device)
    job = replace(job, balance=job.balance or image_balance(job.recipe, job.data))
    with join_processes(device, place) as processes:
        folder = RunFolder(job.run)
        try:
            if processes.is_first and job.resume:
                folder.reopen()
            elif processes.is_first:
                folder.begin(job.recipe, overwrite=job.if_exists == "overwrite")
            notify = observer if observer is not None and processes.is_first else _ignore_event
            return _Run(job, folder, device, processes, notify, stop or StopSignal()).run()
        finally:
            folder.close()


class _Run:
    """A run: the loop over epochs and steps."""

    def __init__(
        self,
        job: TrainingJob,
        folder: RunFolder,
        device: torch.device,
        processes: Processes,
        notify: Observer,
        stop: StopSignal,
    ) -> None:
        self.job, self.recipe, self.device, self.processes = job, job.recipe, device, processes
        self.notify, self.stop = notify, processes.shared_stop(stop)
        self.exporter = ModelExporter(job, device)
        self.sampler = job.sampler(rank=processes.rank, size=processes.size)
        self.workers = reading_threads(job.workers, processes)
        self.train_step = make_train_step(job, device, processes)
        self.checkpointer = Checkpointer(
            job, folder, self.train_step, self.exporter, processes=processes, device=device, notify=notify
        )
        self.progress = self.checkpointer.progress
        self.validation_loss = (
            None if job.val is None else ValidationLoss(job, job.val, self.exporter.preprocessing, device)
        )
        self.speed = TrainingSpeed()
        self.end = RunEnd(job.recipe, self.progress, processes, max_hours=job.max_hours, since=job.begun)

    def run(self) -> TrainingResult:
        """Run all remaining steps."""
        progress, job = self.progress, self.job
        self.notify(self._started())
        loader = DataLoader(
            job.data,
            self.sampler,
            job.recipe,
            preprocessor=Preprocessor(self.exporter.preprocessing, self.device),
            divisor=job.family.size_divisor,
            device=self.device,
            masks=job.trains_masks,
        )
        interrupted: str | None = None
        early_end: EarlyEnd | None = "patience" if self.end.is_without_progress() else None
        self.end.start()
        try:
            with loader.running(progress.epoch, progress.step, self.workers) as micro_batches:
                while progress.epoch < self.recipe.epochs and interrupted is None and early_end is None:
                    interrupted = self._rest_of_the_epoch(micro_batches)
                    early_end = self.end.after_epoch() if interrupted is None else None
                    if interrupted is None and early_end is None and (forecast := self.end.forecast()) is not None:
                        self.notify(TrainingNote(forecast))
            if interrupted == TIME_LIMIT:
                interrupted, early_end = None, TIME_LIMIT
            if progress.epoch == self.recipe.epochs:
                early_end = None
            self.checkpointer.finish(complete=interrupted is None and early_end != TIME_LIMIT)
        except DivergedError as error:
            is_validating = progress.step == self.sampler.steps  # what was saved last is what is evaluated
            saved = (
                self.checkpointer.describe_best_model() if is_validating else self.checkpointer.describe_saved_state()
            )
            raise DivergedError(f"{error}. {saved}; a lower lr may help") from error
        except OutputError as error:
            raise OutputError(f"{error}. {self.checkpointer.describe_saved_state()}") from error
        finally:
            self.checkpointer.close()
        return TrainingResult(
            run=job.run,
            epochs=progress.epoch,
            steps=progress.steps,
            best=progress.best,
            best_epoch=progress.best_epoch,
            metrics=progress.metrics,
            failed_files=dict(progress.failed_files),
            interrupted=interrupted,
            early_end=early_end,
            skipped=progress.skipped_steps,
        )

    def _started(self) -> TrainingStarted:
        sizes = [parameter.numel() for parameter in self.train_step.network.parameters()]
        trained = [parameter.numel() for parameter in self.train_step.optimizer.parameters.values()]
        return TrainingStarted(
            epochs=self.recipe.epochs,
            steps_per_epoch=self.sampler.steps,
            epoch=self.progress.epoch,
            step=self.progress.step,
            images=len(self.job.data),
            val_images=len(self.job.val) if self.job.val is not None else None,
            batch=self.recipe.batch,
            parameters=sum(sizes),
            trained=sum(trained),
            device=str(self.device),
            precision=self.recipe.precision,
            processes=self.processes.size,
        )

    def _rest_of_the_epoch(self, micro_batches: Iterator[MicroBatch]) -> str | None:
        """Run the remaining steps of the epoch, and end it; returns a signal's name or TIME_LIMIT if it was interrupted."""
        progress = self.progress
        while progress.step < self.sampler.steps:
            interrupted = self._step(micro_batches)
            if interrupted is not None:
                self.checkpointer.save()
                return interrupted
            if progress.step < self.sampler.steps and self.checkpointer.is_due():
                self.checkpointer.save()
        return self._end_epoch()

    def _step(self, micro_batches: Iterator[MicroBatch]) -> str | None:
        progress, recipe, optimizer = self.progress, self.recipe, self.train_step.optimizer
        epoch, step, total_steps = progress.epoch, progress.step, self.recipe.epochs * self.sampler.steps
        factor = schedule_factor(recipe, progress.steps, epoch=epoch, total_steps=total_steps)
        optimizer.set_factor(factor * skip_factor(recipe, progress.skipped_steps))
        signal = (self.stop.signal or "SIGINT") if self.stop.is_set() else TIME_LIMIT if self.end.is_over() else None
        result = self.train_step.step(
            islice(micro_batches, recipe.accumulate),
            epoch=epoch,
            step=step,
            stop_signal=signal,
            may_skip=may_skip(recipe, progress.skipped_steps),
        )
        self._note(result.failures)
        if result.skipped is not None:
            progress.skip_step()
            self.notify(TrainingNote(skip_note(recipe, progress, result.skipped)))
            return result.stop_signal
        progress.add_step(result.losses)
        if progress.recent_steps == recipe.log_every_steps:
            self.checkpointer.log_steps()
        speed, memory = self.speed.after(result.images), memory_bytes(self.device)
        self.notify(TrainingStep(epoch, step, result.losses, optimizer.rate, result.gradient_norm, speed, memory))
        return result.stop_signal

    def _note(self, failures: tuple[LoadFailure, ...]) -> None:
        """Report images that cannot be read, each once. Raises DataError if there are too many of them."""
        progress = self.progress
        for failure in failures:
            if not failure.partner and failure.index not in progress.failed_indices:
                progress.failed_indices.append(failure.index)
            if failure.file not in progress.failed_files:
                progress.failed_files[failure.file] = failure.reason
                self.notify(TrainingNote(f"cannot read '{failure.file}': {failure.reason}; another image replaces it"))
        if len(progress.failed_indices) > self.recipe.max_failed_fraction * self.sampler.distinct:
            names = ", ".join(f"'{name}'" for name in list(progress.failed_files)[:10])
            raise DataError(
                f"{len(progress.failed_indices)} of the {self.sampler.distinct} images of an epoch cannot be read, more than "
                f"max_failed_fraction = {self.recipe.max_failed_fraction:g} allows: {names}"
            )

    def _end_epoch(self) -> str | None:
        """Validate and save; returns the name of a signal if it was interrupted."""
        progress, checkpointer = self.progress, self.checkpointer
        epoch = progress.epoch
        validation_result: ValidationResult | None = None
        if self.job.val is not None and self._is_validated(epoch):
            checkpointer.save()  # validation may take long
            validation_result = self._validate(epoch)
            if validation_result is None:
                return self.stop.signal or "SIGINT"
        losses = progress.means()
        checkpointer.write_epoch(validation_result)
        if validation_result is not None:
            is_best = progress.best is None or validation_result.ap >= progress.best  # of equals the later one
            if is_best:
                checkpointer.keep_best(validation_result)
            self.notify(Evaluated(epoch, validation_result.metrics, is_best))
        restart_if_due(
            self.train_step.average, self.checkpointer, None if validation_result is None else validation_result.ap
        )
        if validation_result is None:
            self.notify(EpochEnded(epoch, losses, None))
        else:
            self.notify(EpochEnded(epoch, losses, validation_result.metrics, validation_result.losses))
        progress.next_epoch()
        checkpointer.save(weights=False)
        self.speed.restart()
        return None

    def _is_validated(self, epoch: int) -> bool:
        return (epoch + 1) % self.recipe.evaluate_every_epochs == 0 or epoch + 1 == self.recipe.epochs

    def _validate(self, epoch: int) -> ValidationResult | None:
        assert self.job.val is not None  # noqa: S101 - checked by the caller
        assert self.validation_loss is not None  # noqa: S101 - it belongs to the data
        state = self.train_step.average.state()
        validation_result = validate(
            self.exporter.detector(state, self.checkpointer.folder.last),
            self.job.val,
            epoch=epoch,
            processes=self.processes,
            workers=self.workers,
            stop=self.stop,
            notify=self.notify,
            iou_type=self.exporter.iou_type,
        )
        if validation_result is None:
            return None
        losses = validation_losses(
            self.validation_loss,
            state,
            len(self.job.val),
            epoch=epoch,
            batch=len(self.sampler.positions(0, 0)),
            processes=self.processes,
            workers=self.workers,
            stop=self.stop,
            notify=self.notify,
        )
        if losses is None:
            return None
        if not all(map(math.isfinite, losses.values())):
            self.notify(TrainingNote(f"the validation loss of epoch {epoch + 1} is NaN or infinite and is left out"))
            losses = {}
        if self.progress.metrics is None:
            for sentence in validation_result.notes:
                self.notify(TrainingNote(sentence))
        return replace(validation_result, losses=losses)


def _ignore_event(event: Event) -> None:
    """Ignore it."""
