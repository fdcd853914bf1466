"""The processes of a run on several devices: started, with the model loaded, ended together."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from detcli.checkpoints.hub.download_progress import DownloadProgress
from detcli.errors import DeviceError
from detcli.pipeline.devices.messages import Failed, LoadEvent, LoadModel, ModelLoaded, Warned
from detcli.pipeline.devices.worker import Worker, share_processors
from detcli.runtimes.process import processors

_BYTES_IN_FLIGHT = 1 << 30  # of decoded images in all processes


class LoadListener(DownloadProgress, Protocol):
    """Gets what happens while a model is loaded: `progress` and `on_preparation` of `load_detector` in one."""

    def on_preparation(self, message: str) -> None:
        """The model is prepared for another runtime."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What the processes of several devices share.

    model     as `load_detector` takes it
    settings  its other arguments by name, with `device` as text that names all
    devices   the device of each process
    workers   threads that read images, of all processes together; None: one per processor
    """

    model: str
    settings: Mapping[str, Any]
    devices: Sequence[str]
    workers: int | None


class WorkerPool:
    """A process for each device.

    on_warning  gets sentences about processes that were lost, in the thread that runs the stage
    """

    def __init__(self, settings: PoolSettings, on_warning: Callable[[str], None]) -> None:
        self.on_warning = on_warning
        self.decoders = max(1, (settings.workers or processors()) // len(settings.devices))
        self._settings = settings
        self._events: SimpleQueue[tuple[Worker, Any]] = SimpleQueue()
        self._warned: dict[Any, Any] = {}
        deterministic = bool(settings.settings["deterministic"])
        uses_torch = settings.devices[0] != "cpu" or settings.settings.get("runtime") == "torch" or deterministic
        self.workers: list[Worker] = []
        try:
            for each in share_processors(settings.devices, deterministic=deterministic):
                self.workers.append(Worker(replace(each, uses_torch=uses_torch), self._events))
        except OSError as error:
            self.close()
            raise DeviceError(f"cannot start a process for each device: {error.strerror}") from error

    def load(self, listener: LoadListener) -> ModelLoaded:
        """Load the model in every process: in the first one, which may download it, then in all others.

        Returns what is known of the detector of the first one. Raises what `load_detector` raises.
        """
        try:
            first, *others = self.workers
            self._send_model(first)
            loaded = self._await_models([first], listener)
            for worker in others:
                self._send_model(worker)
            self._await_models(others, listener)
        except BaseException:
            self.close()
            raise
        return loaded

    def next_event(self, timeout_s: float | None) -> tuple[Worker, Any] | None:
        """The next message of a process, None as message where it is gone; None for a silence of `timeout_s`.

        Python warnings of the processes are issued here, each once. Raises the error that ended a process, but not a
        DeviceError, which is returned.
        """
        try:
            worker, message = self._events.get(timeout=timeout_s)
        except Empty:
            return None
        if isinstance(message, Warned):
            warnings.warn_explicit(
                message.message, message.category, message.filename, message.line, registry=self._warned
            )
            return self.next_event(0)
        if isinstance(message, Failed) and not isinstance(message.error, DeviceError):
            raise message.error
        return worker, message

    def close(self) -> None:
        """End all processes; twice does no harm."""
        for worker in self.workers:
            worker.end()
        for worker in self.workers:
            worker.wait()

    def _send_model(self, worker: Worker) -> None:
        given, count = self._settings, len(self._settings.devices)
        settings = dict(given.settings) | {"device": worker.settings.device}
        worker.send(LoadModel(given.model, settings, self.decoders, _BYTES_IN_FLIGHT // count))

    def _await_models(self, workers: Sequence[Worker], listener: LoadListener) -> ModelLoaded:
        """Wait until processes have loaded the model."""
        waiting, loaded = list(workers), None
        while waiting:
            event = self.next_event(None)
            if event is None:
                continue
            worker, message = event
            if isinstance(message, LoadEvent):
                getattr(listener, message.name)(*message.arguments)
            elif isinstance(message, Failed):
                raise message.error
            elif message is None:
                raise DeviceError(f"{worker.label} failed while it loaded the model: {worker.wait()}")
            else:
                loaded = message
                waiting.remove(worker)
        if not isinstance(loaded, ModelLoaded):
            raise TypeError("no process has loaded the model")
        return loaded
