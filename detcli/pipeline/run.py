"""Every frame of a source goes through a detector to every sink.

That sentence is the loop in `run`. Around it, reading runs ahead (`reader.py`) and writing runs behind (`writer.py`),
each in threads of its own, with as many frames in flight as keep the device busy and no more (`backpressure.py`). The
detector chooses which frames share a batch (`batcher.py`). Several devices read and detect in processes of their own
(`devices/`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from detcli.pipeline.detection_stage import DetectionStage, LocalStage, StageSettings, StartsStage
from detcli.pipeline.detector_protocol import DetectorProtocol
from detcli.pipeline.failure_policy import FailurePolicy
from detcli.pipeline.statistics import RunStats
from detcli.pipeline.writer import OnResult, Writer
from detcli.runtimes.process import processors
from detcli.sinks.sink import Sink
from detcli.sources.source import Source
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal

# Joins the detections of a frame to those of earlier frames.
Tracking = Callable[[Frame | FailedFrame, Detections | FailedFrame], Detections | FailedFrame]
# Gives a frame what is counted up to it.
Counting = Callable[[Frame | FailedFrame, Detections | FailedFrame], Frame | FailedFrame]

__all__ = [
    "Counting",
    "DetectorProtocol",
    "FailurePolicy",
    "PipelineSettings",
    "RunStats",
    "StopSignal",
    "Tracking",
    "run",
]

BYTES_IN_FLIGHT = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """How a run is scheduled, and when it gives up.

    workers           threads that read and decode, and as many that draw and encode; None: one per processor
    frames_in_flight  most frames between source and sinks, which limits the age of the last one; None: as many as keep
                      the device busy
    bytes_in_flight   most bytes of decoded images between source and sinks
    failures          when failed images end the run
    """

    workers: int | None = None
    frames_in_flight: int | None = None
    bytes_in_flight: int = BYTES_IN_FLIGHT
    failures: FailurePolicy = field(default_factory=FailurePolicy)


def run(
    source: Source,
    detector: DetectorProtocol,
    sinks: Sequence[Sink],
    settings: PipelineSettings | None = None,
    *,
    stats: RunStats | None = None,
    stop: StopSignal | None = None,
    tracker: Tracking | None = None,
    counter: Counting | None = None,
    on_result: OnResult | None = None,
) -> RunStats:
    """Detect in every image of the source and pass each result to every sink; results keep the input order.

    stats      counts to continue, for a resumed run
    stop       ends the run after the current batch, with every result written
    tracker    called with each result in order, before any sink; returns the result with tracks
    counter    called with each result in order after the tracker; returns the frame with its counts
    on_result  called with each result in order, after all sinks

    The sinks are closed, and told whether the run is complete, also where it raises: DeviceError, OutputError,
    TooManyFailuresError, and any bug.
    """
    settings, stats, stop = settings or PipelineSettings(), stats or RunStats(), stop or StopSignal()
    workers = settings.workers or processors()
    stage = _stage(
        source,
        detector,
        StageSettings(
            workers=workers,
            frames_in_flight=settings.frames_in_flight,
            bytes_in_flight=settings.bytes_in_flight,
            keep_pixels=any(sink.needs_pixels for sink in sinks),
        ),
    )
    writer = Writer(sinks, stage.limit, stats, settings.failures, workers=workers, on_result=on_result)
    try:
        with stage, writer:
            for entry in stage.results(lambda: stop.is_set() or writer.failed, stats.detection):
                if tracker is not None:
                    entry.detections = tracker(*entry.result)
                if counter is not None:
                    entry.frame = counter(*entry.result)
                writer.write(entry)
        stats.interrupted = stop.signal
    except BaseException:
        close_sinks(sinks, complete=False)  # the error that ended the run is reported, not one from closing after it
        raise
    failure = close_sinks(sinks, complete=stats.interrupted is None)
    if failure is not None:
        raise failure
    return stats


def _stage(source: Source, detector: DetectorProtocol, settings: StageSettings) -> DetectionStage:
    """What reads and detects: the threads of this process, or other processes where the detector has some."""
    if isinstance(detector, StartsStage):
        return detector.stage(source, settings)
    return LocalStage(source, detector, settings)


def close_sinks(sinks: Sequence[Sink], *, complete: bool) -> Exception | None:
    """Close every sink, also after one of them failed, and abort those that cannot; returns the first failure."""
    failure: Exception | None = None
    for sink in sinks:
        try:
            sink.close(complete=complete and failure is None)
        except Exception as error:  # of any kind: a sink that failed before may report that its file is closed
            sink.abort()
            failure = failure or error
    return failure
