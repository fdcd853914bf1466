"""Python processes that tests start: they import the package and the helpers of this checkout."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """The environment of this process, with the checkout on the path and one thread for each process."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}


def run(arguments: list[str], *, processes: int) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, alone or started by torchrun."""
    start = [sys.executable] if processes == 1 else [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)
    ]  # fmt: skip
    return subprocess.run(
        [*start, *arguments], capture_output=True, text=True, check=False, timeout=400, env=environment()
    )


@contextmanager
def all_cores() -> Iterator[None]:
    """Start processes on every core, not only on those of this process of pytest-xdist."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
