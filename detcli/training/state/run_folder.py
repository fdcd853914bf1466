"""The folder of a run: its lock, its files, and the lines of its metrics.

recipe.toml                  every setting of the run; a recipe itself
last/                        the moving average of the weights, as a model: config.json, preprocessor, safetensors
best/                        the same, of the epoch with the highest AP
metrics.jsonl                one line per epoch, and one every few steps; no times, so that runs can be compared
curves.png                   the same, drawn
experiments.json             what loggers have of the run, for a resumed one
state.safetensors            the state to resume from
restart.safetensors          the best state of the epochs with augmentation, from which the epochs without augmentation start
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from detcli.checkpoints.model_files import CONFIG, PREPROCESSOR, WEIGHTS
from detcli.errors import OutputError, UsageError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.locks.file_lock import FileLock
from detcli.io.output_paths import OUTPUT_TAG, tag_output_folder
from detcli.training.recipes.recipe import Recipe

_LOCK = ".detcli.lock"


class RunFolder:
    """The folder of a run, locked until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last, self.best = path / "last", path / "best"
        self.recipe, self.metrics = path / "recipe.toml", path / "metrics.jsonl"
        self.state, self.restart = path / "state.safetensors", path / "restart.safetensors"
        self.curves, self.events = path / "curves.png", path / "tensorboard"
        self.experiments = path / "experiments.json"
        self._lock: FileLock | None = None

    def begin(self, recipe: Recipe, *, overwrite: bool) -> None:
        """Prepare the folder for a new run: the files of an older run are removed, others are kept.

        Raises OutputError if the folder is not empty and may not be overwritten, if another run writes to it, or if it
        cannot be written.
        """
        with os_errors_as_output_errors(self.path):
            has_state = self.state.is_file()
        if has_state and not overwrite:
            raise OutputError(
                f"'{self.path}' has a run already: use `resume` to continue it, or `overwrite` to start again"
            )
        if not overwrite and not self.is_free():
            raise OutputError(f"'{self.path}' is not empty: use `overwrite` to put a run into it anyway")
        self._lock = FileLock(self.path / _LOCK)
        self._sweep()
        with os_errors_as_output_errors(self.path):
            for file in (self.state, self.restart, self.metrics, self.curves, self.recipe, self.experiments):
                file.unlink(missing_ok=True)
            for folder in (self.last, self.best):
                _remove_files(folder, [folder / name for name in (CONFIG, PREPROCESSOR, WEIGHTS)])
            _remove_files(self.events, list(self.events.glob("events.out.tfevents.*")))
        tag_output_folder(self.path)
        write_atomically(self.recipe, recipe.to_toml().encode())
        write_atomically(self.metrics, b"")

    def is_free(self) -> bool:
        """Whether the folder is empty, or has only files of a run that ended before it saved a state."""
        with os_errors_as_output_errors(self.path):
            names = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()
            has_no_metrics = self.metrics.name in names and self.metrics.stat().st_size == 0
        early = {
            _LOCK,
            OUTPUT_TAG,
            self.recipe.name,
            *((self.metrics.name, self.last.name, self.events.name) if has_no_metrics else ()),
        }
        return all(name in early or _unfinished(name) for name in names)

    def reopen(self) -> None:
        """Lock the folder of a run to resume.

        Raises UsageError if there is no run, and OutputError if another run writes to it.
        """
        if not self.state.is_file():
            raise UsageError(f"cannot `resume`: there is no run in '{self.path}' (no {self.state.name})")
        self._lock = FileLock(self.path / _LOCK)
        self._sweep()

    def add_line(self, line: Mapping[str, Any]) -> None:
        """Add a line to the metrics, on the disk when this returns."""
        with os_errors_as_output_errors(self.metrics), self.metrics.open("ab") as file:
            file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def lines_bytes(self) -> int:
        """Size of the metrics in bytes."""
        with os_errors_as_output_errors(self.metrics):
            return self.metrics.stat().st_size

    def cut_lines(self, length: int) -> None:
        """Remove what was added to the metrics after they had this length."""
        with os_errors_as_output_errors(self.metrics), self.metrics.open("ab") as file:
            if self.metrics.stat().st_size > length:
                file.truncate(length)

    def _sweep(self) -> None:
        """Remove unfinished files of a killed run."""
        with os_errors_as_output_errors(self.path):
            for folder in (self.path, self.last, self.best):
                for entry in list(folder.iterdir()) if folder.is_dir() else ():
                    if _unfinished(entry.name):
                        entry.unlink(missing_ok=True)

    def close(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            self._lock.remove()
            self._lock = None


def _remove_files(folder: Path, files: Iterable[Path]) -> None:
    """Remove files of a folder, and the folder if it is empty then; files of others stay. Raises OutputError and OSError."""
    if folder.is_symlink():
        raise OutputError(f"'{folder}' is a link, whose files are not removed: remove the link, or use another output")
    for file in files:
        file.unlink(missing_ok=True)
    if folder.is_dir():
        with suppress(OSError):  # not empty
            folder.rmdir()


def _unfinished(name: str) -> bool:
    """Whether this is the temporary file of an atomic write."""
    return name.startswith(".detcli-") and name.endswith(".part")
