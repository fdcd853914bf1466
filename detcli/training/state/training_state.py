"""The state of a run in one file, so that it is there whole or not at all: tensors, and all other numbers as JSON.

No pickle: what is read is safetensors, held against what the run expects.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from detcli.checkpoints.safetensors_files import read_tensors
from detcli.errors import DamagedModelError, UsageError
from detcli.io.atomic_write import AtomicFile

_KEY = "detcli"


@dataclass(slots=True)
class TrainingProgress:
    """How far a run is.

    epoch, step         of the next step; after an epoch's last, until it is evaluated, step is the number of its steps
    steps               done, of all epochs
    sums, counted       of the losses of this epoch's steps, by name, and how many steps they are of
    recent, recently    the same since the last line of metrics within the epoch
    best, best_epoch    highest AP so far
    restart_epoch       in which the state that training begins again from was kept; None: there is none
    round_best          highest AP since training last began again; None: none yet
    figures             of the last judgement
    unreadable          images that could not be read, with the reason, by file
    failed              indices of those met in this epoch
    metrics_bytes       length of metrics.jsonl
    """

    epoch: int = 0
    step: int = 0
    steps: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counted: int = 0
    recent: dict[str, float] = field(default_factory=dict)
    recently: int = 0
    best: float | None = None
    best_epoch: int | None = None
    restart_epoch: int | None = None
    round_best: float | None = None
    metrics: dict[str, float | None] | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)
    metrics_bytes: int = 0

    def take(self, losses: Mapping[str, float]) -> None:
        """Count a step and its losses."""
        for sums in (self.sums, self.recent):
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
        self.counted += 1
        self.recently += 1
        self.step += 1
        self.steps += 1

    def means(self) -> dict[str, float]:
        """Means of the epoch's losses."""
        return {name: value / self.counted for name, value in self.sums.items()}

    def next_epoch(self) -> None:
        """Begin to count another epoch."""
        self.epoch, self.step = self.epoch + 1, 0
        self.sums, self.counted, self.recent, self.recently, self.failed = {}, 0, {}, 0, []


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a run continues from.

    tensors   of the learner
    counters  of the learner
    progress  of the run
    identity  what the run is of: recipe, network, data
    """

    tensors: dict[str, Tensor]
    counters: dict[str, Any]
    progress: TrainingProgress
    identity: dict[str, Any]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a state; an older one stays until the new one is on the disk. Raises OutputError."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in snapshot.tensors.items()}
    document = {
        "counters": snapshot.counters,
        "progress": asdict(snapshot.progress),
        "identity": snapshot.identity,
    }
    with AtomicFile(path, locked=True) as file:  # so that a kill leaves one unfinished file at most
        file.write(safetensors.torch.save(whole, {_KEY: json.dumps(document, allow_nan=False)}))


def read_snapshot(path: Path) -> Snapshot:
    """Read a state. Raises DamagedModelError, or UsageError where it is that of another version's run."""
    tensors = read_tensors(path)
    try:
        with safe_open(path, framework="pt") as file:
            document = json.loads((file.metadata() or {})[_KEY])
        progress = document["progress"]
        known = {entry.name for entry in fields(TrainingProgress)}
        if progress.keys() != known:
            raise UsageError(f"'{path}' is the state of another version of detcli: finish the run with that one")
        return Snapshot(tensors, document["counters"], TrainingProgress(**progress), document["identity"])
    except KeyError as error:
        raise DamagedModelError(f"'{path}' is not the state of a run: it has no {error}") from error
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise DamagedModelError(f"'{path}' is not the state of a run: {error}") from error


def require_same(saved: Mapping[str, Any], asked: Mapping[str, Any], path: Path) -> None:
    """Raise UsageError, saying what differs, where a run is to continue as another one."""
    for room, title in _TITLES.items():
        there, here = saved.get(room), asked.get(room)
        if there == here:
            continue
        raise UsageError(f"--resume: '{path}' holds a run with {title}: {_difference(there, here)}")


# In this order: other classes make another network too.
_TITLES = {
    "recipe": "another recipe",
    "data": "other data",
    "val": "other data to evaluate on",
    "network": "another network",
}


def _difference(there: Any, here: Any) -> str:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        shown = [f"{name} was {_shown(there.get(name))} and is {_shown(here.get(name))} now" for name in names[:3]]
        return "; ".join(shown) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")
    return f"there was {'some' if there else 'none'}, and now there is {'some' if here else 'none'}"


def _shown(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
