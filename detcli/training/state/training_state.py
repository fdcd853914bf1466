"""The state of a run in one file, written completely or not at all: tensors, and all other numbers as JSON.

No pickle: the file is safetensors, checked against what the run expects.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from detcli.checkpoints.safetensors_files import read_tensors
from detcli.errors import DamagedModelError, UsageError
from detcli.io.atomic_write import AtomicFile
from detcli.io.documents import is_nested_at_most, parse_json
from detcli.io.record_values import shown

_KEY = "detcli"
_MAX_COUNT = 2**53
_MAX_NUMBER = 1e30  # of losses and metrics
_MAX_DEPTH = 32


@dataclass(slots=True)
class TrainingProgress:
    """How far a run has got.

    epoch, step         of the next step; after an epoch's last step, until it is evaluated, the number of its steps
    steps               done, of all epochs
    epoch_losses        sums of the losses of this epoch's steps, by name
    epoch_steps         number of these steps
    recent_losses       the same since the last line of metrics within the epoch
    recent_steps        number of these steps
    best, best_epoch    highest AP so far
    improved_epoch      the first epoch with it, or the last one with an AP of 0; None: nothing was evaluated
    skipped_steps       steps with NaN or infinity that were skipped
    restart_epoch       epoch of the saved state for a restart; None: there is none
    best_since_restart  highest AP since the last restart; None: none yet
    metrics             of the last validation
    failed_files        images that could not be read, with the reason, by file
    failed_indices      indices of those in this epoch
    metrics_bytes       length of metrics.jsonl
    """

    epoch: int = 0
    step: int = 0
    steps: int = 0
    epoch_losses: dict[str, float] = field(default_factory=dict)
    epoch_steps: int = 0
    recent_losses: dict[str, float] = field(default_factory=dict)
    recent_steps: int = 0
    best: float | None = None
    best_epoch: int | None = None
    improved_epoch: int | None = None
    skipped_steps: int = 0
    restart_epoch: int | None = None
    best_since_restart: float | None = None
    metrics: dict[str, float | None] | None = None
    failed_files: dict[str, str] = field(default_factory=dict)
    failed_indices: list[int] = field(default_factory=list)
    metrics_bytes: int = 0

    def add_step(self, losses: Mapping[str, float]) -> None:
        """Count a step and its losses."""
        for sums in (self.epoch_losses, self.recent_losses):
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
        self.epoch_steps += 1
        self.recent_steps += 1
        self.step += 1
        self.steps += 1

    def skip_step(self) -> None:
        """Count a step that changed nothing."""
        self.skipped_steps += 1
        self.step += 1
        self.steps += 1

    def means(self) -> dict[str, float]:
        """Means of the epoch's losses; empty if all its steps were skipped."""
        return {name: value / self.epoch_steps for name, value in self.epoch_losses.items()}

    def next_epoch(self) -> None:
        """Start counting the next epoch."""
        self.epoch, self.step = self.epoch + 1, 0
        self.epoch_losses, self.epoch_steps, self.recent_losses, self.recent_steps, self.failed_indices = (
            {},
            0,
            {},
            0,
            [],
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a resumed run needs.

    tensors   of the train step
    counters  of the train step
    progress  of the run
    identity  recipe, network and data of the run
    """

    tensors: dict[str, Tensor]
    counters: dict[str, Any]
    progress: TrainingProgress
    identity: dict[str, Any]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a state; an older one is kept until the new one is on the disk. Raises OutputError."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in snapshot.tensors.items()}
    document = {
        "counters": snapshot.counters,
        "progress": asdict(snapshot.progress),
        "identity": snapshot.identity,
    }
    with AtomicFile(path, locked=True) as file:  # so that a kill leaves at most one unfinished file
        file.write(safetensors.torch.save(tensors, {_KEY: json.dumps(document, allow_nan=False)}))


def read_snapshot(path: Path) -> Snapshot:
    """Read a state. Raises DamagedModelError, or UsageError if another version wrote it."""
    tensors = read_tensors(path)
    try:
        with safe_open(path, framework="pt") as file:
            document = parse_json((file.metadata() or {})[_KEY])
        counters, progress, identity = (_object(document, name) for name in ("counters", "progress", "identity"))
    except KeyError as error:
        raise DamagedModelError(f"'{path}' is not the state of a run: it has no {error}") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedModelError(f"'{path}' is not the state of a run: {error}") from error
    if progress.keys() != {entry.name for entry in fields(TrainingProgress)}:
        raise UsageError(f"'{path}' was written by another version of detcli; finish the run with that version")
    for name, value in progress.items():
        if not _CHECKS[name](value):
            raise DamagedModelError(f"'{path}' is not the state of a run: {name} is {shown(value)}")
    return Snapshot(tensors, counters, TrainingProgress(**progress), identity)


def _object(document: object, name: str) -> dict[str, Any]:
    value = document[name] if isinstance(document, dict) else document
    if not isinstance(value, dict) or not is_nested_at_most(value, _MAX_DEPTH):
        raise ValueError(f"{name} is {shown(value)[:60]}")
    return value


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_COUNT


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < _MAX_NUMBER  # type: ignore[arg-type]


def _is_table_of(is_valid: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(map(is_valid, value.values()))


def _or_none(is_valid: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_valid(value)


_CHECKS: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    dict.fromkeys(
        ("epoch", "step", "steps", "epoch_steps", "recent_steps", "skipped_steps", "metrics_bytes"), _is_count
    )
    | dict.fromkeys(("epoch_losses", "recent_losses"), _is_table_of(_is_number))
    | dict.fromkeys(("best", "best_since_restart"), _or_none(_is_number))
    | dict.fromkeys(("best_epoch", "improved_epoch", "restart_epoch"), _or_none(_is_count))
    | {
        "metrics": _or_none(_is_table_of(_or_none(_is_number))),
        "failed_files": _is_table_of(lambda value: isinstance(value, str)),
        "failed_indices": lambda value: isinstance(value, list) and all(map(_is_count, value)),
    }
)
