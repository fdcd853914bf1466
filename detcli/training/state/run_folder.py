"""The folder of a run: who may write there, what lies where, and the lines of its metrics.

recipe.toml                  every number of the run; a recipe itself
last/                        the moving average of the weights, as a model: config.json, preprocessor, safetensors
best/                        the same, of the epoch that was evaluated best
metrics.jsonl                one line an epoch, and one each so-many steps; no times, so that runs can be compared
curves.png                   the same, drawn
state.safetensors            what `--resume` continues from
restart.safetensors          the best of the epochs with augmentation, which those without begin from
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.errors import OutputError, UsageError
from detcli.io.atomic_write import os_errors_as_output_errors, write_atomically
from detcli.io.file_lock import FileLock

if TYPE_CHECKING:
    from detcli.training.recipes.recipe import (
        Recipe,  # brings torch, which a command line that is refused does not wait for
    )

_LOCK = ".detcli.lock"


class RunFolder:
    """A folder that this run alone writes to, until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last, self.best = path / "last", path / "best"
        self.recipe, self.metrics = path / "recipe.toml", path / "metrics.jsonl"
        self.state, self.restart = path / "state.safetensors", path / "restart.safetensors"
        self.curves, self.events = path / "curves.png", path / "tensorboard"
        self._lock: FileLock | None = None

    def begin(self, recipe: "Recipe", *, overwrite: bool) -> None:
        """Make room for a new run; of an older one everything goes, what else lies there stays.

        Raises OutputError where the folder holds anything and it is not to be overwritten, where another run writes
        there, and where it cannot be written.
        """
        with os_errors_as_output_errors(self.path):
            begun = self.state.is_file()
        if begun and not overwrite:
            raise OutputError(f"'{self.path}' holds a run already: --resume continues with it, -y begins again")
        if not overwrite and not self.is_free():
            raise OutputError(f"'{self.path}' is not empty: -y puts a run into it nevertheless; see also --resume")
        self._lock = FileLock(self.path / _LOCK)
        self._sweep()
        with os_errors_as_output_errors(self.path):
            for place in (self.state, self.restart, self.metrics, self.curves, self.recipe):
                place.unlink(missing_ok=True)
            for place in (self.last, self.best, self.events):
                if place.is_dir():
                    shutil.rmtree(place)
        write_atomically(self.recipe, recipe.to_toml().encode())
        write_atomically(self.metrics, b"")

    def is_free(self) -> bool:
        """Whether nothing lies there, or only what a run leaves that ended before it had a state: nobody's loss."""
        with os_errors_as_output_errors(self.path):
            names = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()
            begun = self.metrics.name in names and self.metrics.stat().st_size == 0
        first = {_LOCK, self.recipe.name, *((self.metrics.name, self.last.name, self.events.name) if begun else ())}
        return all(name in first or _unfinished(name) for name in names)

    def reopen(self) -> None:
        """Take the folder of a run to continue with.

        Raises UsageError where there is no run, and OutputError where another one writes there.
        """
        if not self.state.is_file():
            raise UsageError(
                f"--resume: there is no run to continue with in '{self.path}' (no {self.state.name}); without --resume one "
                "begins"
            )
        self._lock = FileLock(self.path / _LOCK)
        self._sweep()

    def add_line(self, line: Mapping[str, Any]) -> None:
        """Add a line to the metrics, on the disk when this returns."""
        with os_errors_as_output_errors(self.metrics), self.metrics.open("ab") as file:
            file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def lines_bytes(self) -> int:
        """How long the metrics are."""
        with os_errors_as_output_errors(self.metrics):
            return self.metrics.stat().st_size

    def cut_lines(self, length: int) -> None:
        """Cut off what was added to the metrics after they were so long."""
        with os_errors_as_output_errors(self.metrics), self.metrics.open("ab") as file:
            if self.metrics.stat().st_size > length:
                file.truncate(length)

    def _sweep(self) -> None:
        """Remove what a killed run had not finished writing."""
        with os_errors_as_output_errors(self.path):
            for place in (self.path, self.last, self.best):
                for entry in list(place.iterdir()) if place.is_dir() else ():
                    if _unfinished(entry.name):
                        entry.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others write."""
        if self._lock is not None:
            self._lock.remove()
            self._lock = None


def _unfinished(name: str) -> bool:
    """Whether this is a file that files/writing.py had not put in its place yet."""
    return name.startswith(".detcli-") and name.endswith(".part")
