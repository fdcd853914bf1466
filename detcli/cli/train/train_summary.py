"""The last lines of `detcli train`."""

import shlex
import signal
from collections.abc import Mapping

from detcli.cli.framework.console import Console
from detcli.cli.framework.text import counted, duration
from detcli.errors import TooManyFailuresError
from detcli.training.training_job import TrainingResult


def summarize_training(console: Console, result: TrainingResult, *, seconds: float, has_masks: bool = False) -> int:
    """Print `3 epochs in 12 s, AP 0.912 (best, epoch 3) -> RUN/best` and the next command; returns the exit code.

    has_masks  the network has a mask head
    """
    is_to_resume = result.interrupted is not None or result.early_end == "max_hours"
    path = result.run
    parts = [f"{counted(result.epochs, 'epoch')} in {duration(seconds)}"]
    if not is_to_resume:
        path = result.run / ("last" if result.best_epoch is None else "best")
    if result.best is not None and result.best_epoch is not None:
        parts.append(f"AP {result.best:.3f} (best, epoch {result.best_epoch + 1})")
    if result.failed_files:
        parts.append(f"{counted(len(result.failed_files), 'image')} failed")
    if result.skipped:
        parts.append(f"{counted(result.skipped, 'step')} skipped")
    sentence = f"{', '.join(parts)} -> {path}"
    if result.early_end == "patience":
        sentence += "; the AP did not rise any more"
    if result.early_end == "max_hours":
        sentence += "; the time is over, continue with the same command and --resume"
    if result.interrupted is not None:
        sentence += f"; interrupted by {result.interrupted}, resume with the same command and --resume"
    console.summary(sentence, **_facts(result), seconds=round(seconds, 3), output=str(path))
    if result.interrupted is not None:
        return 128 + signal.Signals[result.interrupted]
    if not is_to_resume:
        console.say(f"next: detcli {'segment' if has_masks else 'detect'} images/ -m {shlex.quote(str(path))}")
    return TooManyFailuresError.exit_code if result.failed_files else 0


def _facts(result: TrainingResult) -> Mapping[str, object]:
    return {
        "epochs": result.epochs,
        "steps": result.steps,
        "best": result.best,
        "best_epoch": result.best_epoch,
        "failed": len(result.failed_files),
        "interrupted": result.interrupted,
        "early_end": result.early_end,
        "skipped": result.skipped,
    }
