"""The stages of a run, each alone in one thread: read, decode, resize, batch, network, postprocess, and each sink."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from detcli.engine.benchmark.benchmark_request import FORMATS as SUFFIXES
from detcli.errors import ImageError
from detcli.inference.batches.batch_steps import BatchSteps
from detcli.inference.detector import Detector
from detcli.io.images.decode import decode
from detcli.io.images.limits import DEFAULT_MAX_PIXELS
from detcli.sinks.images.annotated_images import AnnotatedImageSink
from detcli.sinks.images.crops import Crops
from detcli.sinks.images.label_maps import LabelMaps
from detcli.sinks.sink import Sink, SinkSettings, sink_class
from detcli.sources.source import SourceItem
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame
from detcli.structures.run_info import RunInfo, now
from detcli.version import __version__

STAGES = ("read", "decode", "resize", "batch", "network", "postprocess")


class StageTimes:
    """Measures the stages over images.

    latencies_ms  of each batch, one at a time: reading its images, one after the other, to its detections
    """

    def __init__(self, detector: Detector, sinks: Sequence[str], folder: Path) -> None:
        self._detector = detector
        self._sinks = {name: _make_sink(name, detector, folder) for name in sinks}
        self._seconds = dict.fromkeys((*STAGES, *sinks), 0.0)
        self._images = 0
        self._steps = BatchSteps(detector.preprocessor, detector.runtime, detector.selection, detector.segmentation)
        self._wait = _wait_for(detector)
        self.latencies_ms: list[float] = []

    @property
    def per_image_ms(self) -> dict[str, float]:
        """Milliseconds per image of each stage."""
        return {name: 1000 * seconds / max(1, self._images) for name, seconds in self._seconds.items()}

    def measure(self, items: Sequence[SourceItem]) -> None:
        """Process the images batch by batch, and close the sinks."""
        in_flight = self._detector.batches_in_flight
        batches: deque[tuple[Any, int]] = deque(maxlen=2 * in_flight)
        left, waiting = deque(items), list[tuple[Frame, float]]()
        while left or waiting:
            while left and len(waiting) < self._detector.look_ahead:
                waiting += self._read(left.popleft())
            if not waiting:
                break
            chosen = self._detector.choose([frame for frame, _ in waiting])
            batches.append((self._detect([waiting[index] for index in chosen]), len(chosen)))
            for index in reversed(chosen):
                del waiting[index]
        if in_flight > 1 and batches:
            self._seconds["network"] = self._images * self._network_s_per_image(list(batches), in_flight)
        for sink in self._sinks.values():
            sink.close(complete=True)

    def _read(self, item: SourceItem) -> Iterator[tuple[Frame, float]]:
        """The image with its resized pixels and the seconds that it took, unless it cannot be read."""
        started = time.perf_counter()
        try:
            frame = self._decoded(item)
        except ImageError:
            return
        if frame is None:
            return
        with self._clock("resize"):
            prepared = self._detector.preprocessor.prepare(frame)
        yield prepared, time.perf_counter() - started

    def _decoded(self, item: SourceItem) -> Frame | None:
        path = Path(item.origin.file)
        if not path.is_file():  # a URL, or a part of standard input: reading and decoding are one
            with self._clock("read"):
                found = item()
            return found if isinstance(found, Frame) else None
        with self._clock("read"):
            data = path.read_bytes()
        with self._clock("decode"):
            decoded = decode(data, max_pixels=DEFAULT_MAX_PIXELS)
            pixels = decoded.pixels
        return Frame(item.origin, pixels.shape[:2], pixels, metadata=decoded.metadata)

    def _detect(self, chosen: list[tuple[Frame, float]]) -> Any:
        """Detect in one batch, and write the results; returns the batch."""
        runtime, frames = self._detector.runtime, [frame for frame, _ in chosen]
        self._images += len(frames)
        started = time.perf_counter()
        with runtime.errors():
            with self._clock("batch"):
                batch = self._detector.preprocessor.batch(self._detector.filled(frames))
                self._wait()
            with self._clock("network"):
                outputs = runtime(batch)
                self._wait()
            with self._clock("postprocess"):
                found = self._steps.postprocess(outputs, batch)()
        self.latencies_ms.append(1000 * (time.perf_counter() - started + sum(seconds for _, seconds in chosen)))
        for name, sink in self._sinks.items():
            with self._clock(name):
                for frame, detections in zip(frames, found, strict=False):
                    if isinstance(detections, Detections):
                        sink.write(frame, replace(detections, labels=self._detector.labels))
        return batch

    def _network_s_per_image(self, batches: list[tuple[Any, int]], in_flight: int) -> float:
        """Seconds per image of the network alone, with so many batches in flight."""
        pending: deque[Any] = deque()
        images, started = 0, time.perf_counter()
        while images < self._images:
            for batch, count in batches:
                pending.append(self._detector.runtime.submit(batch))
                images += count
                if len(pending) >= in_flight:
                    pending.popleft().result()
        while pending:
            pending.popleft().result()
        self._wait()
        return (time.perf_counter() - started) / images

    @contextmanager
    def _clock(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[stage] += time.perf_counter() - started


def _make_sink(name: str, detector: Detector, folder: Path) -> Sink:
    if name == "images":
        return AnnotatedImageSink(folder / "images", detector.labels)
    if name == "crops":
        return Crops(folder / "crops", detector.labels)
    if name == "masks":
        task = None if detector.segmentation is None else detector.segmentation.task
        return LabelMaps(folder / "masks", detector.labels, of_classes=task == "semantic")
    info = RunInfo(detector.files.name, None, None, __version__, detector.labels, now())
    return sink_class(name)(folder / f"{name}{SUFFIXES[name]}", SinkSettings(info))


def _wait_for(detector: Detector) -> Callable[[], None]:
    """A function that waits until the device is idle."""
    if not detector.device_name.startswith("cuda"):
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(detector.device_name)
