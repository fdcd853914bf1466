"""Passes frames to the detector in the batches that it chooses, and returns the results in input order."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from detcli.inference.batches.pending_detections import FinishedDetections, PendingDetections
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
    frames, and the frame that is next in order is always in the next batch. A detector that works on several batches at
    once is kept busy with them; they are collected in the order of their start. Results of later frames are held back
    until their turn, and lost on a stop.

    Raises what listing the source raised, after the frames listed before it.
    """
    waiting: list[InFlight] = []  # read, and not in a batch yet
    queue: deque[InFlight] = deque()  # all frames without a result, and results held back behind them
    calls = _Calls(detector, latency)
    while not stopped():
        taken = reader.take(detector.look_ahead + calls.frames - len(queue), stopped, wait=not queue)
        waiting.extend(taken)
        queue.extend(taken)
        if stopped():
            return
        if not queue:
            break
        if waiting and calls.has_room:
            chosen = set(detector.choose([entry.image for entry in waiting]))
            calls.start([entry for position, entry in enumerate(waiting) if position in chosen])
            waiting = [entry for position, entry in enumerate(waiting) if position not in chosen]
            if calls.has_room:
                continue
        calls.collect()
        while queue and queue[0].detections is not None:
            yield queue.popleft()
    if not stopped():
        reader.check_listing()


class _Calls:
    """The calls of the detector that are not collected yet, in the order of their start."""

    def __init__(self, detector: DetectorProtocol, latency: LatencyStats) -> None:
        self._detector, self._latency = detector, latency
        self._started: deque[tuple[Sequence[InFlight], PendingDetections, float]] = deque()

    @property
    def has_room(self) -> bool:
        """Whether one more call keeps the detector busier."""
        return len(self._started) < max(1, self._detector.batches_in_flight)

    @property
    def frames(self) -> int:
        """How many frames are in the calls."""
        return sum(len(batch) for batch, _, _ in self._started)

    def start(self, batch: Sequence[InFlight]) -> None:
        """Pass a batch to the detector."""
        frames = [entry.image for entry in batch]
        started = time.monotonic()
        if self._detector.batches_in_flight > 1:
            pending = self._detector.submit(frames)
        else:
            pending = FinishedDetections(self._detector.detect_frames(frames))
        self._started.append((batch, pending, started))

    def collect(self) -> None:
        """Fill in the detections of the first call, and measure how long it took."""
        batch, pending, started = self._started.popleft()
        results = pending.result()
        if any(isinstance(entry.image, Frame) for entry in batch):
            self._latency.add(time.monotonic() - started)
        for entry, detections in zip(batch, results, strict=True):
            entry.detections = detections
