"""What a run counts and measures."""

from dataclasses import dataclass, field
from pathlib import Path

from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
_NOTHING_PROCESSED, _SOME_FAILED = 4, 3
_FRAME_WEIGHT = 0.1  # of the newest frame in the running mean of the latency
_BATCH_WEIGHT = 0.2  # of the newest batch in the running mean of the detection time


@dataclass(slots=True)
class LatencyStats:
    """Durations of one kind.

    recent_s  running mean in seconds; None before the first
    worst_s   the longest
    """

    weight: float
    recent_s: float | None = None
    worst_s: float = 0.0
    _sum_s: float = 0.0
    _count: int = 0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        mean = seconds if self.recent_s is None else self.recent_s
        self.recent_s = (1 - self.weight) * mean + self.weight * seconds
        self.worst_s = max(self.worst_s, seconds)
        self._sum_s += seconds
        self._count += 1

    @property
    def mean_s(self) -> float | None:
        """Mean of all durations; None before the first."""
        return self._sum_s / self._count if self._count else None


@dataclass(slots=True)
class RunStats:
    """The counts of a run, updated while it runs; `exit_code` is what they mean.

    images       processed images or frames, with or without detections
    failed       images that could not be read, or that the device failed on; each one is named in the results
    boxes        detections
    interrupted  name of the signal that ended the run, or None
    resumed      results of the interrupted run that was resumed, included in the counts
    dropped      frames of live sources that were dropped because they waited too long
    tracks       number of tracks; None without tracking
    seconds      duration of the run
    outputs      files and folders that were written
    skipped      True where every output existed already and `if_exists` is "skip": nothing was processed
    empty_shard  True where the shard of the run has none of the images: nothing was to be processed
    latency      of live sources: from the arrival of a frame to its written result
    detection    of each batch: from frames to detections
    """

    images: int = 0
    failed: int = 0
    boxes: int = 0
    interrupted: str | None = None
    resumed: int = 0
    dropped: int = 0
    tracks: int | None = None
    seconds: float = 0.0
    outputs: tuple[Path, ...] = ()
    skipped: bool = False
    empty_shard: bool = False
    latency: LatencyStats = field(default_factory=lambda: LatencyStats(_FRAME_WEIGHT), repr=False, compare=False)
    detection: LatencyStats = field(default_factory=lambda: LatencyStats(_BATCH_WEIGHT), repr=False, compare=False)

    def add(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Count one result."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            self.failed += 1
        else:
            self.images += 1
            self.boxes += len(detections)

    @property
    def exit_code(self) -> int:
        """0 all processed, 3 some failed, 4 nothing processed of what there was, or 128 + the number of the signal."""
        if self.interrupted is not None:
            return _EXIT_CODES[self.interrupted]
        if self.skipped or self.empty_shard:
            return 0
        if self.images == 0:
            return _NOTHING_PROCESSED
        return _SOME_FAILED if self.failed else 0
