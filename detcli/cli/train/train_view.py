"""Shows a training run: a progress line or plain lines, and one line per epoch."""

import math
import time
from types import TracebackType
from typing import Self

from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import ProgressLine, ProgressText, RateEstimator
from detcli.cli.framework.text import counted, duration, megabytes, number, rate
from detcli.training.training_events import (
    CheckpointSaved,
    EpochEnded,
    Evaluated,
    Event,
    TrainingNote,
    TrainingStarted,
    TrainingStep,
    Validated,
    ValidationLossStarted,
    ValidationStarted,
)


class TrainView:
    """Shows the events of a run; use as a context manager around it, and call it with each event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start: TrainingStarted | None = None
        self._step: TrainingStep | None = None
        self._since = time.monotonic()
        self._validation: RateEstimator | None = None
        self._validating = "evaluating"
        self._best: Evaluated | None = None
        self._line = ProgressLine(console, self.progress_text, self._plain)

    def __enter__(self) -> Self:
        self._line.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._line.__exit__(kind, error, at)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case TrainingStarted():
                self._started(event)
            case TrainingStep():
                self._step, self._validation = event, None
            case ValidationStarted() | ValidationLossStarted():
                self._validation = RateEstimator(0, event.images)
                self._validating = "evaluating" if isinstance(event, ValidationStarted) else "validation loss"
            case Validated():
                if self._validation is not None:
                    self._validation.advance(1)
            case Evaluated():
                self._validation = None
                self._best = event if event.best else self._best
            case EpochEnded():
                self._epoch_ended(event)
            case CheckpointSaved():
                done = counted(event.step, "step")
                self._console.note(f"saved after {done} of epoch {event.epoch + 1}", epoch=event.epoch, step=event.step)
            case TrainingNote():
                self._console.say(event.sentence)

    def _started(self, event: TrainingStarted) -> None:
        self._start, self._since = event, time.monotonic()
        where = f"{event.device} in {event.precision}" + (
            f", {event.processes} processes" if event.processes > 1 else ""
        )
        sentence = (
            f"{where}: {_beginning(event)} {counted(event.epochs, 'epoch')}, "
            f"{counted(event.steps_per_epoch, 'step')} each, {counted(event.batch, 'image')} per step"
        )
        if event.epoch >= event.epochs:
            sentence = "the run is complete: no steps left"
        self._console.say(
            sentence,
            epochs=event.epochs,
            steps_per_epoch=event.steps_per_epoch,
            epoch=event.epoch,
            step=event.step,
            batch=event.batch,
            device=event.device,
            precision=event.precision,
            processes=event.processes,
        )

    def _epoch_ended(self, event: EpochEnded) -> None:
        of = f" of {self._start.epochs}" if self._start is not None else ""
        parts = [f"loss {sum(event.losses.values()):.4g}"]
        parts += [f"validation loss {sum(event.val_losses.values()):.4g}"] if event.val_losses else []
        figures: dict[str, object] = {}
        best = self._best is not None and self._best.epoch == event.epoch
        if event.metrics is not None:
            shown = ((name, event.metrics.get(name)) for name in ("AP", "AP50"))
            figures = {name: value for name, value in shown if value is not None}
            parts += [f"{name} {value:.3f}" for name, value in figures.items()]
            parts += ["the best so far"] if best else []
            figures["val_loss"] = sum(event.val_losses.values()) if event.val_losses else None
        self._console.say(
            f"epoch {event.epoch + 1}{of}: {', '.join(parts)}",
            epoch=event.epoch,
            loss=sum(event.losses.values()),
            **figures,
            best=best if event.metrics is not None else None,
        )

    def progress_text(self) -> ProgressText:
        """The progress line as it is now."""
        start, step, validation = self._start, self._step, self._validation
        if validation is not None:
            counts = f"{self._validating} {number(validation.done)}/{number(validation.total or 0)} images"
            return ProgressText(counts, validation.fraction, rate(validation.rate, "images"), validation.time_left)
        if start is None:
            return ProgressText("preparing", None, "", None)
        if step is None:
            return ProgressText(f"epoch {start.epoch + 1}/{start.epochs}  first step", None, "", None)
        counts = f"epoch {step.epoch + 1}/{start.epochs}  step {number(step.step + 1)}/{number(start.steps_per_epoch)}"
        facts = f"loss {step.loss:.4g}  lr {step.lr:.2g}"
        if step.memory_bytes:
            facts += f"  {megabytes(step.memory_bytes)}"
        fraction = self._done(step) / (start.epochs * start.steps_per_epoch)
        return ProgressText(
            counts, fraction, rate(step.images_per_second, "images"), self._time_left(step), facts=facts
        )

    def _plain(self) -> tuple[str, dict[str, object]]:
        start, step, validation = self._start, self._step, self._validation
        if validation is not None:
            sentence = f"{self._validating}: {number(validation.done)} of {counted(validation.total or 0, 'image')}"
            return sentence, {"evaluated": validation.done, "total": validation.total}
        if start is None or step is None:
            return "preparing", {}
        left = self._time_left(step)
        parts = [
            f"epoch {step.epoch + 1} of {start.epochs}",
            f"step {number(step.step + 1)} of {number(start.steps_per_epoch)}",
            f"loss {step.loss:.4g}",
            f"lr {step.lr:.2g}",
            rate(step.images_per_second, "images"),
            *([megabytes(step.memory_bytes)] if step.memory_bytes else []),
            *([f"{duration(left)} left"] if left is not None else []),
        ]
        numbers: dict[str, object] = {
            "epoch": step.epoch,
            "step": step.step,
            "loss": step.loss,
            "lr": step.lr,
            "gradient_norm": step.gradient_norm if math.isfinite(step.gradient_norm) else None,
            "per_second": round(step.images_per_second, 2),
            "memory_bytes": step.memory_bytes or None,
            "seconds_left": left,
        }
        return ", ".join(parts), numbers

    def _done(self, step: TrainingStep) -> int:
        """Number of finished steps of the run."""
        return step.epoch * (self._start.steps_per_epoch if self._start is not None else 0) + step.step + 1

    def _time_left(self, step: TrainingStep) -> int | None:
        """Seconds to the end, validation and saving included, estimated from this process."""
        if self._start is None:
            return None
        before = self._start.epoch * self._start.steps_per_epoch + self._start.step
        here, rest = self._done(step) - before, self._start.epochs * self._start.steps_per_epoch - self._done(step)
        return round((time.monotonic() - self._since) * rest / here) if here > 0 else None


def _beginning(event: TrainingStarted) -> str:
    if event.epoch or event.step:
        return f"continuing at step {event.step + 1} of epoch {event.epoch + 1} of"
    return "training"
