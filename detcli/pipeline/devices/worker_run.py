"""The work in the process of one device: load the model, then the loop of every run, from pipe to pipe."""

import os
import pickle
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, BinaryIO

from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.libraries import is_installed
from detcli.pipeline.devices.messages import (
    Failed,
    Images,
    LoadEvent,
    LoadModel,
    ModelLoaded,
    Result,
    Results,
    RuntimeFacts,
    Warned,
    receive,
    send,
)
from detcli.pipeline.run import PipelineSettings, run
from detcli.pipeline.statistics import LatencyStats, RunStats
from detcli.sinks.sink import BaseSink
from detcli.sources.source import SourceItem
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_MOST_BYTES = 32 << 20  # of pixels in one message


class WorkerRun:
    """Answers the requests of the parent process until it ends.

    requests, answers  the pipes from and to the parent
    """

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests, self._answers = requests, answers
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.Lock()

    def work(self) -> None:
        """Load the model and detect until the parent ends; an error is sent, and ends this process."""
        threading.Thread(target=self._receive, daemon=True).start()
        warnings.showwarning = self._warn
        try:
            job: LoadModel = self._inbox.get()
            detector = _load(job, self)
            self.send(_facts(detector))
            settings = PipelineSettings(workers=job.decoders, bytes_in_flight=job.bytes_in_flight)
            while True:
                self._detect(detector, settings)
        except Exception as error:  # of any kind: the parent raises it
            self.send(Failed.of(error))
        os._exit(1)  # threads may still decode

    def send(self, message: object) -> None:
        """Send a message, from any thread."""
        with self._lock:
            send(self._answers, message)

    def _receive(self) -> None:
        try:
            while (message := receive(self._requests)) is not None:
                self._inbox.put(message)
        finally:
            os._exit(0)  # the parent has ended, or needs this process no longer

    def _detect(self, detector: Detector, settings: PipelineSettings) -> None:
        """Detect in the images up to the last one that the parent announces."""
        first: Images = self._inbox.get()
        durations = _Durations(0.0)
        sink = _ResultSender(self, detector, durations, keep_pixels=first.keep_pixels)
        run(_ReceivedImages(first, self._inbox), detector, [sink], settings, stats=RunStats(detection=durations))

    def _warn(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: str | None = None,
    ) -> None:
        self.send(Warned(str(message), category, filename, lineno))


class _ReceivedImages:
    """The images that the parent sends, as a source; `Images.is_last` ends it."""

    def __init__(self, first: Images, inbox: "SimpleQueue[Images]") -> None:
        self._first, self._inbox = first, inbox

    def __iter__(self) -> Iterator[SourceItem]:
        images = self._first
        while True:
            yield from map(pickle.loads, images.items)
            if images.is_last:
                return
            images = self._inbox.get()

    def count(self) -> int | None:
        """Unknown."""
        return None


class _Durations(LatencyStats):
    """Keeps each duration until it is sent."""

    def __init__(self, weight: float) -> None:
        super().__init__(weight)
        self._kept: SimpleQueue[float] = SimpleQueue()

    def add(self, seconds: float) -> None:
        """Keep one duration."""
        self._kept.put(seconds)

    def take(self) -> tuple[float, ...]:
        """The durations that were not taken yet."""
        return tuple(self._kept.get() for _ in range(self._kept.qsize()))


class _ResultSender(BaseSink):
    """A sink that sends results to the parent, several in one message."""

    ordered = True

    def __init__(self, worker: WorkerRun, detector: Detector, durations: _Durations, *, keep_pixels: bool) -> None:
        self.needs_pixels = keep_pixels
        self._worker, self._detector, self._durations = worker, detector, durations
        self._results: list[Result] = []
        self._bytes = 0

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Add one result, without what the parent has or does not need."""
        if isinstance(frame, Frame):
            kept = frame if self.needs_pixels else replace(frame, pixels=None, metadata=None)
            frame = replace(kept, prepared=None, bands=None)
            self._bytes += 0 if frame.pixels is None else frame.pixels.nbytes
        if isinstance(detections, Detections):
            detections = replace(detections, labels=None)
        self._results.append((frame, detections))
        if self._bytes > _MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send the results so far."""
        if self._results:
            self._worker.send(Results(tuple(self._results), self._durations.take(), self._detector.remarks))
        self._results, self._bytes = [], 0

    def close(self, *, complete: bool) -> None:
        """Send the rest."""
        self.flush()


class _LoadListener:
    """Reports to the parent what happens while a model is loaded: `progress` and `on_preparation` of `load_detector`."""

    def __init__(self, worker: WorkerRun) -> None:
        self._worker = worker

    def start(self, total: int | None, description: str) -> None:
        """A download starts."""
        self._worker.send(LoadEvent("start", (total, description)))

    def advance(self, count: int) -> None:
        """So many more bytes are downloaded."""
        self._worker.send(LoadEvent("advance", (count,)))

    def finish(self) -> None:
        """The download ended."""
        self._worker.send(LoadEvent("finish", ()))

    def on_preparation(self, message: str) -> None:
        """The model is prepared for another runtime."""
        self._worker.send(LoadEvent("on_preparation", (message,)))


def _load(job: LoadModel, worker: WorkerRun) -> Detector:
    device, deterministic = job.settings["device"], job.settings["deterministic"]
    if deterministic and is_installed("torch"):  # without torch, loading the model says what is missing
        from detcli.runtimes.torch_runtime import choose_device, use_deterministic_kernels

        use_deterministic_kernels(choose_device(device))
    listener = _LoadListener(worker)
    return load_detector(job.model, **job.settings, progress=listener, on_preparation=listener.on_preparation)


def _facts(detector: Detector) -> ModelLoaded:
    runtime = detector.runtime
    return ModelLoaded(
        model=detector.model,
        runtime=RuntimeFacts(
            runtime.name, runtime.device_name, runtime.precision, detector.batches_in_flight, runtime.fixed_batch
        ),
        preprocessing=detector.preprocessor.preprocessing,
        selection=detector.selection,
        batches=detector.batches,
        batch_size=detector.batch_size,
        segmentation=detector.segmentation,
        tiles=detector.tiles,
    )
