"""Passes frames to the detector in the batches that it chooses, and returns the results in input order."""

import time
from collections import deque
from collections.abc import Callable, Iterator

from detcli.pipeline.detector_protocol import DetectorProtocol
from detcli.pipeline.in_flight import InFlight
from detcli.pipeline.reader import Reader
from detcli.pipeline.statistics import LatencyStats
from detcli.structures.frame import Frame


def detect_in_order(
    reader: Reader, detector: DetectorProtocol, stopped: Callable[[], bool], latency: LatencyStats
) -> Iterator[InFlight]:
    """Every frame with its detections, in input order.

    stopped  called again and again, also while the input is silent: True ends the iteration after the current batch
    latency  gets the duration of each call of the detector

    The detector chooses each batch from the frames that are ready, at most its look-ahead. Nothing waits for more
    frames, and the frame that is next in order is always in the next batch. Results of later frames are held back
    until their turn, and lost on a stop.

    Raises what listing the source raised, after the frames listed before it.
    """
    queue: deque[InFlight] = deque()  # the first one always waits for the detector
    while not stopped():
        queue.extend(reader.take(detector.look_ahead - len(queue), stopped, wait=not queue))
        if stopped():
            return
        if not queue:
            break
        waiting = [entry for entry in queue if entry.detections is None]
        chosen = detector.choose([entry.image for entry in waiting])
        _detect([waiting[index] for index in chosen], detector, latency)
        while queue and queue[0].detections is not None:
            yield queue.popleft()
    if not stopped():
        reader.check_listing()


def _detect(batch: list[InFlight], detector: DetectorProtocol, latency: LatencyStats) -> None:
    """Fill in the detections of a batch, and measure how long that takes."""
    frames = [entry.image for entry in batch]
    started = time.monotonic()
    results = detector.detect_frames(frames)
    if any(isinstance(frame, Frame) for frame in frames):
        latency.add(time.monotonic() - started)
    for entry, detections in zip(batch, results, strict=True):
        entry.detections = detections
