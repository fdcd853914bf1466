"""Threads, memory and speed of a run."""

import sys
import time
from collections import deque

import torch

from detcli.runtimes.process import processors
from detcli.training.optimization.distributed import Processes

_WINDOW = 30  # steps


class TrainingSpeed:
    """Images per second over the last steps."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=_WINDOW + 1)
        self.restart()

    def restart(self) -> None:
        """Leave out the time since the last step, which was spent on something else."""
        self._marks.clear()
        self._marks.append((time.monotonic(), 0))

    def after(self, images: int) -> float:
        """Count a step."""
        self._marks.append((time.monotonic(), images))
        spent = self._marks[-1][0] - self._marks[0][0]
        return sum(count for _, count in list(self._marks)[1:]) / spent if spent > 0 else 0.0


def memory_bytes(device: torch.device) -> int:
    """Peak memory of this process on the device, on a CPU of the process itself; 0: unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reading_threads(requested: int | None, processes: Processes) -> int:
    """Threads that read images: as requested, else one per processor, shared among the processes of this machine."""
    if requested is not None:
        return requested
    return max(1, processors() // max(1, processes.local_size))
