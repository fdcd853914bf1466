"""One started process of a device, as its parent sees it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from detcli.pipeline.devices.messages import Failed, receive, send

_MODULE = "detcli.pipeline.devices.worker_process"
_PACKAGE = Path(__file__).resolve().parents[3]  # the folder that has detcli in it
_END_S = 2.0  # how long a process may take to read a message, or to end once its pipe is closed


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a process is started.

    device      that it uses, such as "cuda:1"
    label       as messages name the process
    processors  that it may use; empty: all
    threads     of its network on the CPU; None: as many as one process alone would have
    uses_torch  torch surely runs the network, and is imported before the model is known
    module      its program
    """

    device: str
    label: str
    processors: tuple[int, ...] = ()
    threads: int | None = None
    uses_torch: bool = False
    module: str = _MODULE


class Worker:
    """A process that is started: messages to it, and its messages in a queue.

    settings  as given
    events    gets (worker, message); the message is None once the process is gone
    """

    def __init__(self, settings: WorkerSettings, events: "SimpleQueue[tuple[Worker, Any]]") -> None:
        self.settings, self._events = settings, events
        given = {"processors": settings.processors, "path": sys.path, "uses_torch": settings.uses_torch}
        self._process = subprocess.Popen(  # noqa: S603 - a module of detcli
            [sys.executable, "-P", "-m", settings.module, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=process_environment(settings.threads),
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the other
        )
        self._sending = threading.Lock()
        threading.Thread(target=self._receive, name=f"receive-{settings.label}", daemon=True).start()

    @property
    def label(self) -> str:
        """As messages name the process."""
        return self.settings.label

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    def send(self, message: object) -> None:
        """Send a message; where the process is gone, it is lost, and the queue of events says so."""
        with suppress(OSError, ValueError), self._sending:  # ValueError: the pipe was closed
            if self._process.stdin is not None:
                send(self._process.stdin, message)  # type: ignore[arg-type]

    def end(self) -> None:
        """Ask the process to end, which holds no output; one that does not read its messages is killed."""
        if self._sending.acquire(timeout=_END_S):
            self._sending.release()
        else:
            self._process.kill()
        with suppress(OSError), self._sending:
            if self._process.stdin is not None:
                self._process.stdin.close()

    def wait(self) -> str:
        """Wait until it has ended, and say how."""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return how_it_ended(code)

    def _receive(self) -> None:
        try:
            while self._process.stdout is not None and (message := receive(self._process.stdout)) is not None:  # type: ignore[arg-type]
                self._events.put((self, message))
        except Exception as error:  # what it sent cannot be unpickled
            self._events.put((self, Failed(error)))
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._events.put((self, None))


def how_it_ended(code: int) -> str:
    """How a process ended, as the end of a sentence."""
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    memory = ", perhaps for lack of memory" if name == "SIGKILL" else ""
    return f"it was killed by {name}{memory}"


def share_processors(devices: Sequence[str], *, deterministic: bool) -> list[WorkerSettings]:
    """The settings of a process for each device; those on the CPU share its processors.

    deterministic  each process has all processors and threads: the last bits of a result depend on their number
    """
    if devices[0] != "cpu":
        return [WorkerSettings(device, device) for device in devices]
    count = len(devices)
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    alone = _threads_of_one()
    if deterministic:
        return [WorkerSettings(device, _label(number, count), (), alone) for number, device in enumerate(devices)]
    threads = max(1, (alone or len(available) or os.cpu_count() or 1) // count)
    ends = [number * len(available) // count for number in range(count + 1)]
    shares = [tuple(available[start:end]) for start, end in pairwise(ends)]
    if not all(shares):
        shares = [()] * count  # more processes than processors
    return [
        WorkerSettings(device, _label(number, count), shares[number], threads) for number, device in enumerate(devices)
    ]


def _label(number: int, count: int) -> str:
    return f"process {number + 1} of cpu:{count}"


def _threads_of_one() -> int | None:
    """The number of threads that a network would have in this process; None: as torch chooses."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def process_environment(threads: int | None) -> dict[str, str]:
    """The environment of a process that has this number of threads; None: as many as torch chooses."""
    given = os.environ.get("PYTHONPATH")
    changes = {"PYTHONPATH": os.pathsep.join([str(_PACKAGE), *([given] if given else [])])}
    return os.environ | changes | thread_variables(threads)


def thread_variables(threads: int | None) -> dict[str, str]:
    """The variables of the environment that tell torch the number of threads; it has libraries that ask for either."""
    return {} if threads is None else dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
