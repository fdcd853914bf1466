"""Workers of one machine have processors of their own, which are free again when a worker ends."""

import os
import secrets
import subprocess
import sys

import pytest

from tests.helpers.processes import environment

TAKING = """
import sys
from detcli.engine.cluster.worker_processors import WorkerProcessors
held = WorkerProcessors(int(sys.argv[1]), sys.argv[2])
print(*held.taken, flush=True)
sys.stdin.read()
"""


def start(count: int, run: str) -> tuple[subprocess.Popen[str], list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", TAKING, str(count), run],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux")
def test_workers_take_turns_in_the_processors_of_a_machine() -> None:
    run, available = secrets.token_hex(8), len(os.sched_getaffinity(0))
    workers = [start(1, run) for _ in range(available)]
    taken = [number for _, numbers in workers for number in numbers]
    assert sorted(map(int, taken)) == sorted(os.sched_getaffinity(0))
    extra, none = start(1, run)
    assert none == []
    extra.communicate("")
    first, numbers = workers.pop(0)
    first.kill()
    first.communicate()
    workers.append(start(1, run))
    assert workers[-1][1] == numbers
    for worker, _ in workers:
        worker.communicate("")
