"""The place of a process among those of a run: as torchrun says in the environment, or as a process of detcli gives it."""

import os
from dataclasses import dataclass

from detcli.errors import UsageError


@dataclass(frozen=True, slots=True)
class ProcessPlace:
    """The place of this process among those that train together.

    rank        its index, from 0
    size        number of processes
    local_rank  its index on this machine
    local_size  number of processes on this machine
    port        of the store on this machine where they meet; None: as the environment says
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    port: int | None = None


def place_in_environment() -> ProcessPlace:
    """The place that torchrun gave this process; without torchrun, it is alone. Raises UsageError for other values."""
    size, rank = _number("WORLD_SIZE", 1), _number("RANK", 0)
    if size == 1:
        return ProcessPlace()
    if not rank < size:
        raise UsageError(f"RANK={rank} and WORLD_SIZE={size} are inconsistent; start with torchrun")
    return ProcessPlace(rank, size, _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1))


def _number(name: str, default: int) -> int:
    """Return a whole number from the environment that torchrun sets. Raises UsageError for another value."""
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{name}='{text}' in the environment is not a number; torchrun sets it")
    return int(text)
