"""The stage of a run that reads images and detects in them, in this process or in others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, runtime_checkable

from detcli.pipeline.backpressure import InFlightLimit
from detcli.pipeline.batcher import detect_in_order
from detcli.pipeline.detector_protocol import DetectorProtocol
from detcli.pipeline.in_flight import InFlight
from detcli.pipeline.reader import Reader
from detcli.pipeline.statistics import LatencyStats
from detcli.sources.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """How images are read and detected.

    workers           threads that read and decode
    frames_in_flight  most frames between source and sinks; None: as many as keep the device busy
    bytes_in_flight   most bytes of decoded images
    keep_pixels       the full-size pixels are needed after the detector
    """

    workers: int
    frames_in_flight: int | None
    bytes_in_flight: int
    keep_pixels: bool


class DetectionStage(Protocol):
    """Reads the images of a source and detects in them; use it as a context manager around `results`, once."""

    @property
    def limit(self) -> InFlightLimit:
        """The limit of frames and bytes in flight, which frames leave once they are written."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def results(self, stopped: Callable[[], bool], latency: LatencyStats) -> Iterator[InFlight]:
        """Every frame with its detections, in input order.

        stopped  called again and again, also while the input is silent: True ends the iteration after the current batch
        latency  gets the duration of each batch
        """


@runtime_checkable
class StartsStage(Protocol):
    """A detector whose work is done in other processes."""

    def stage(self, source: Source, settings: StageSettings) -> DetectionStage:
        """The stage of one run over a source."""


class LocalStage:
    """The stage in the threads of this process."""

    def __init__(self, source: Source, detector: DetectorProtocol, settings: StageSettings) -> None:
        self._detector = detector
        self.limit = _limit(detector, settings)
        self._reader = Reader(source, detector, self.limit, workers=settings.workers, keep_pixels=settings.keep_pixels)

    def __enter__(self) -> "LocalStage":
        self._reader.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.__exit__(kind, error, trace)

    def results(self, stopped: Callable[[], bool], latency: LatencyStats) -> Iterator[InFlight]:
        """Every frame with its detections, in input order."""
        return detect_in_order(self._reader, self._detector, stopped, latency)


def _limit(detector: DetectorProtocol, settings: StageSettings) -> InFlightLimit:
    """As many frames as keep the device busy, at most `frames_in_flight`."""
    frames = detector.look_ahead + (2 + detector.batches_in_flight) * detector.batch_size + 4 * settings.workers
    given = settings.frames_in_flight
    return InFlightLimit(
        frames=frames if given is None else min(frames, given),
        nbytes=settings.bytes_in_flight,
        at_least=detector.batch_size if detector.deterministic else 1,
    )
