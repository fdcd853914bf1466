"""Every frame of a source goes through a detector to every sink.

That sentence is the loop in `run`. Around it reading runs ahead (`reading.py`) and writing runs behind (`writing.py`),
each in threads of its own, with as much in flight as keeps the device busy and no more (`room.py`); which frames the
detector sees together is its own choice (`choosing.py`).
"""

import os
from collections.abc import Callable, Sequence

from detcli.pipeline.backpressure import InFlightLimit
from detcli.pipeline.batcher import detected
from detcli.pipeline.detector_protocol import DetectorProtocol
from detcli.pipeline.reader import Reader
from detcli.pipeline.statistics import FailurePolicy, RunStats, StopSignal
from detcli.pipeline.writer import Writer
from detcli.sinks.sink import Sink
from detcli.sources.source import Source
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

# What joins the detections of a frame to those before it.
Tracking = Callable[[Frame | FailedFrame, Detections | FailedFrame], Detections | FailedFrame]

__all__ = ["DetectorProtocol", "FailurePolicy", "RunStats", "StopSignal", "Tracking", "run"]

_BYTES_IN_FLIGHT = 1 << 30  # decoded images waiting anywhere between source and sink


def run(
    source: Source,
    detector: DetectorProtocol,
    sinks: Sequence[Sink],
    *,
    workers: int | None = None,
    tally: RunStats | None = None,
    limits: FailurePolicy | None = None,
    stop: StopSignal | None = None,
    in_flight: int | None = None,
    tracker: Tracking | None = None,
    on_result: Callable[[Frame | FailedFrame, Detections | FailedFrame], None] | None = None,
) -> RunStats:
    """Detect in every image of the source and hand each result to every sink; results keep the input's order.

    workers    threads that read and decode, and as many that draw and encode; None: one a processor
    tally      counts to go on from, for a resumed run
    limits     when failed images end the run
    stop       ends the run after the batch in hand, with every result written
    in_flight  most frames between source and sinks, which bounds how old the last one is; None: as many as keep the
               device busy
    tracker    called with each result, in order, before any sink has it; what it returns is the result
    on_result  called with each result, in order, after all sinks have it

    The sinks are closed, and told whether the run is complete, also when it raises:
    DeviceError, OutputError, TooManyFailuresError, and whatever is a bug.
    """
    tally, limits, stop = tally or RunStats(), limits or FailurePolicy(), stop or StopSignal()
    workers = workers or processors()
    needs_pixels = any(sink.needs_pixels for sink in sinks)
    frames = detector.look_ahead + 3 * detector.batch_size + 4 * workers
    room = InFlightLimit(
        frames=frames if in_flight is None else min(frames, in_flight),
        nbytes=_BYTES_IN_FLIGHT,
        at_least=detector.batch_size if detector.deterministic else 1,
    )
    source_ahead = Reader(source, detector, room, workers=workers, keep_pixels=needs_pixels)
    sinks_behind = Writer(sinks, room, tally, limits, workers=workers, on_result=on_result)
    try:
        with source_ahead, sinks_behind:
            for frame, detections in detected(source_ahead, detector, lambda: stop.is_set() or sinks_behind.failed):
                sinks_behind.write(frame, detections if tracker is None else tracker(frame, detections))
        tally.interrupted = stop.signal
    except BaseException:
        _close(sinks, complete=False)  # what ended the run is told, not what closing says after it
        raise
    failure = _close(sinks, complete=tally.interrupted is None)
    if failure is not None:
        raise failure
    return tally


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _close(sinks: Sequence[Sink], *, complete: bool) -> Exception | None:
    """Close every sink, also after one of them failed, and abort those that cannot; returns the first failure."""
    failure: Exception | None = None
    for sink in sinks:
        try:
            sink.close(complete=complete and failure is None)
        except Exception as error:  # of any kind: a sink that failed before may say that its file is closed already
            sink.abort()
            failure = failure or error
    return failure
