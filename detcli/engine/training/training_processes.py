"""Starts the further processes of a training run on several devices, and ends them with it."""

import time
from dataclasses import replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import torch
from torch import distributed

from detcli.engine.requests.training_request import TrainingPlan
from detcli.engine.training.process_messages import ReadyToTrain, TrainTogether
from detcli.errors import DeviceError, LostProcessError
from detcli.pipeline.devices.messages import Failed
from detcli.pipeline.devices.worker import Worker, share_processors
from detcli.training.optimization.process_place import ProcessPlace

_PROGRAM = "detcli.engine.training.training_process"
_REPORT_S = 5.0  # how long an error of another process may take to arrive


class TrainingProcesses:
    """The processes of a run, of which this one is the first; use as a context manager around the training.

    plan  of the run; the first of its devices is for this process

    Raises what another process raises while it opens data and network, or in the run, in place of the error that it causes here.
    """

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan, self._devices = plan, plan.devices
        self._events: SimpleQueue[tuple[Worker, Any]] = SimpleQueue()
        self._workers: list[Worker] = []

    def __enter__(self) -> ProcessPlace:
        """Start the others and wait until they are ready; returns the place of this process."""
        size = len(self._devices)
        self._store = distributed.TCPStore(  # type: ignore[attr-defined]
            "127.0.0.1", 0, size, is_master=True, wait_for_workers=False
        )
        settings = share_processors(self._devices, deterministic=False)
        self._threads = torch.get_num_threads()
        if settings[0].threads is not None:
            torch.set_num_threads(settings[0].threads)
        try:
            for rank, device in list(enumerate(self._devices))[1:]:
                worker = Worker(replace(settings[rank], module=_PROGRAM, uses_torch=True), self._events)
                self._workers.append(worker)
                request = replace(self._plan.request, device=device)
                worker.send(TrainTogether(request, self._plan.recipe, self._place(rank)))
            for _ in self._workers:
                self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self._place(0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reason = self._reason() if isinstance(error, LostProcessError) else None
        self._end()
        if reason is not None:
            raise reason from error

    def _place(self, rank: int) -> ProcessPlace:
        size = len(self._devices)
        return ProcessPlace(rank, size, rank, size, self._store.port)

    def _wait_until_ready(self) -> None:
        worker, message = self._events.get()
        if isinstance(message, Failed):
            raise message.error
        if not isinstance(message, ReadyToTrain):
            raise DeviceError(f"{worker.label} was lost before the first step: {worker.wait()}")

    def _reason(self) -> Exception | None:
        """Why another process ended: its own error, or how it was ended; None where each only lost another one."""
        deadline = time.monotonic() + _REPORT_S
        reported: set[Worker] = set()
        while len(reported) < len(self._workers):
            try:
                worker, message = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if isinstance(message, Failed) and not isinstance(message.error, LostProcessError):
                return message.error
            if message is None and worker not in reported:
                return DeviceError(f"{worker.label} was lost: {worker.wait()}; `resume` continues the run")
            reported.add(worker)
        return None

    def _end(self) -> None:
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.wait()
        torch.set_num_threads(self._threads)
