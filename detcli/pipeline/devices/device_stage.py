"""The stage of a run on several devices: images go to their processes, and results come back in input order."""

import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from detcli.errors import DeviceError
from detcli.pipeline.backpressure import InFlightLimit
from detcli.pipeline.detection_stage import StageSettings
from detcli.pipeline.devices.image_dispatcher import ImageDispatcher, ImageTask
from detcli.pipeline.devices.messages import Failed, Results
from detcli.pipeline.devices.worker import Worker
from detcli.pipeline.devices.worker_pool import WorkerPool
from detcli.pipeline.in_flight import InFlight
from detcli.pipeline.statistics import LatencyStats
from detcli.sources.images.lazy_image import LazyImage
from detcli.sources.source import Source, SourceItem
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize

_POLL_S = 0.1  # how long a silence may delay the reaction to a signal, or to a sink that failed


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image that was read already, since only this process can read it."""

    frame: Frame | FailedFrame

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        return self.frame.origin

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        """Return it."""
        return self.frame


class DeviceStage:
    """Reads and detects in the processes of a pool; it is a `DetectionStage`.

    labels         of the detections
    batch_size     of the detector in each process
    most           most images that a process has at a time
    deterministic  images of a batch stay together

    dispatcher  knows which process has done how much
    remarks     sentences of the runtimes, once the results are there
    """

    def __init__(
        self,
        pool: WorkerPool,
        source: Source,
        labels: ClassLabels,
        settings: StageSettings,
        *,
        batch_size: int,
        most: int,
        deterministic: bool,
    ) -> None:
        self._pool, self._source, self._labels = pool, source, labels
        frames = 2 * most * len(pool.workers)
        given = settings.frames_in_flight
        self.limit = InFlightLimit(
            frames=frames if given is None else min(frames, given),
            nbytes=settings.bytes_in_flight,
            at_least=batch_size if deterministic else 1,
        )
        self.dispatcher = ImageDispatcher(
            pool.workers,
            chunk=batch_size,
            most=most,
            deterministic=deterministic,
            keep_pixels=settings.keep_pixels,
            nbytes=settings.bytes_in_flight,
        )
        self.remarks: dict[str, None] = {}
        self._in_order: deque[InFlight] = deque()
        self._reasons: dict[Worker, str] = {}
        self._listing_error: BaseException | None = None
        self._listed = threading.Event()
        self._finished = False

    def __enter__(self) -> "DeviceStage":
        for target, name in ((self._list, "list"), (self.dispatcher.run, "dispatch")):
            threading.Thread(target=target, name=name, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.limit.close()
        self.dispatcher.close()
        if self._finished:
            self.dispatcher.finish()
        else:
            self._pool.close()  # the processes work on images whose results are not taken

    def results(self, stopped: Callable[[], bool], latency: LatencyStats) -> Iterator[InFlight]:
        """Every frame with its detections, in input order; a stop does not wait for what the processes work on.

        Raises what listing the source raised, after the frames listed before it, what ended a process, and DeviceError
        where all processes are lost.
        """
        while not stopped():
            while self._in_order and self._in_order[0].detections is not None:
                yield self._in_order.popleft()
                if stopped():
                    return
            if self._listed.is_set() and not self._in_order:
                self._finished = True
                break
            event = self._pool.next_event(_POLL_S)
            if event is not None:
                self._handle(*event, latency)
        if not stopped() and self._listing_error is not None:
            raise self._listing_error

    def _handle(self, worker: Worker, message: Any, latency: LatencyStats) -> None:
        if isinstance(message, Results):
            self._take(worker, message)
            for seconds in message.seconds:
                latency.add(seconds)
            self.remarks |= dict.fromkeys(message.remarks)
        elif isinstance(message, Failed):
            self._reasons[worker] = str(message.error)  # the process ends next
        elif message is None:
            self._lose(worker)

    def _take(self, worker: Worker, message: Results) -> None:
        frames = [frame for frame, _ in message.results if isinstance(frame, Frame)]
        largest = max((frame.pixels.nbytes for frame in frames if frame.pixels is not None), default=0)
        tasks = self.dispatcher.finished(worker, len(message.results), nbytes=largest)
        for task, (frame, detections) in zip(tasks, message.results, strict=True):
            self.limit.hold(frame)
            self.limit.release_bytes(len(task.item))
            task.entry.frame = frame
            if isinstance(detections, Detections):
                detections = replace(detections, labels=self._labels)
            task.entry.detections = detections

    def _lose(self, worker: Worker) -> None:
        worker.end()
        ended = worker.wait()
        reason = self._reasons.get(worker, ended)
        self._pool.workers.remove(worker)
        images = self.dispatcher.lose(worker)
        if images is None:
            first = self.dispatcher.first_lost
            image = "" if first is None else f"; the next image was '{first}'"
            raise DeviceError(
                f"all processes of the devices were lost, {worker.label} as the last one: {reason}{image}"
            )
        others = "the others process its image" + ("" if images == 1 else f"s, {images:,}")
        self._pool.on_warning(f"{worker.label} was lost: {reason}" + (f"; {others}" if images else ""))

    def _list(self) -> None:
        try:
            items = iter(self._source)
            while self.limit.enter() and (item := next(items, None)) is not None and self.limit.begin():
                entry, data = InFlight(item), _pickled(item)
                entry.item = None
                self.limit.hold_bytes(len(data))
                self._in_order.append(entry)
                self.dispatcher.add(ImageTask(entry, item.origin, data))
        except BaseException as error:
            self._listing_error = error
        self._listed.set()
        self.dispatcher.end()


def _pickled(item: SourceItem) -> bytes:
    """An image that is not read yet, for another process; one that cannot be sent, or not read there, is read here."""
    try:
        data = pickle.dumps(item, 5)
    except Exception:  # of any kind: an item may hold anything
        data = b""
    if not data or b"__main__" in data:  # what a script defines is unknown in another process
        data = pickle.dumps(item.with_bytes() if isinstance(item, LazyImage) else ReadImage(item()), 5)
    return data
