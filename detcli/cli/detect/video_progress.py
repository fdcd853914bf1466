"""How far a run over videos is, and how it went: frames a second, latency, dropped frames, time left."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from detcli.cli.detect.summary import places_of
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import ProgressLine, ProgressText, RateEstimator
from detcli.cli.framework.text import counted, duration, number
from detcli.engine.outputs import OutputPlan
from detcli.pipeline.run import RunStats
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame

_WEIGHT = 0.1  # of the last frame in the mean of the latency
_CLASSES_SHOWN = 3


@dataclass(slots=True)
class LatencyStats:
    """What a run over videos counts besides its tally.

    tracks         numbers given out; None where nobody tracks
    latency_s      from a frame's coming to its result's being written, of live sources: a running mean
    worst_s        the longest
    """

    tracks: int | None = None
    latency_s: float | None = None
    worst_s: float = 0.0
    _sum_s: float = 0.0
    _count: int = 0

    def took(self, seconds: float) -> None:
        """One frame was under way for so long."""
        mean = seconds if self.latency_s is None else self.latency_s
        self.latency_s = (1 - _WEIGHT) * mean + _WEIGHT * seconds
        self.worst_s = max(self.worst_s, seconds)
        self._sum_s += seconds
        self._count += 1

    @property
    def mean_s(self) -> float | None:
        """Over the whole run."""
        return self._sum_s / self._count if self._count else None


class VideoProgress:
    """The moving line of a run; use as a context manager around it.

    done         frames of an interrupted run that is gone on with
    total        how many there will be, asked again and again; None: nobody knows
    dropped      how many came too late, asked again and again
    detection_s  how long the network takes, asked again and again
    """

    def __init__(
        self,
        console: Console,
        labels: ClassLabels,
        measures: LatencyStats,
        *,
        done: int,
        total: Callable[[], int | None],
        dropped: Callable[[], int],
        detection_s: Callable[[], float | None],
    ) -> None:
        self._pace = RateEstimator(done)
        self._labels, self._measures = labels, measures
        self._total, self._dropped, self._detection_s = total, dropped, detection_s
        self._gaps = 0
        self._found = ""
        self._line = ProgressLine(console, self._words, self._plain)

    def __enter__(self) -> Self:
        if self._line.is_wanted:
            self._pace.total = self._total()
        self._line.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._line.__exit__(kind, error, at)

    def advance(self, detections: Detections | FailedFrame) -> None:
        """One more frame is done."""
        self._pace.advance(1)
        if isinstance(detections, FailedFrame):
            self._gaps += 1
        else:
            self._found = _in_words(detections, self._labels)

    def _words(self) -> ProgressText:
        pace = self._pace
        of = f"/{number(pace.total)}" if pace.total is not None else ""
        remarks = [f"{number(dropped)} dropped"] if (dropped := self._dropped()) else []
        remarks += [counted(self._gaps, "gap")] if self._gaps else []
        latency = self._latency()
        return ProgressText(
            f"{number(pace.done)}{of} frames",
            pace.fraction,
            f"{pace.rate:.1f}/s",
            pace.time_left,
            ", ".join(remarks),
            f"latency {latency}" if latency else "",
            self._found,
        )

    def _latency(self) -> str:
        """Of live sources from frame to result, else what the network takes for a batch."""
        seconds = self._measures.latency_s or self._detection_s()
        return "" if seconds is None else milliseconds(seconds)

    def _plain(self) -> tuple[str, dict[str, object]]:
        pace = self._pace
        of = f" of {number(pace.total)}" if pace.total is not None else ""
        sentence = f"{number(pace.done)}{of} frames, {pace.rate:.3g} a second"
        latency = self._latency()
        sentence += f", latency {latency}" if latency else ""
        sentence += f", {number(dropped)} dropped" if (dropped := self._dropped()) else ""
        sentence += f", {counted(self._gaps, 'gap')}" if self._gaps else ""
        if pace.time_left is not None:
            sentence += f", {duration(pace.time_left)} left"
        seconds = self._measures.latency_s or self._detection_s()
        return sentence, {
            "done": pace.done,
            "total": pace.total,
            "per_second": round(pace.rate, 2),
            "latency_ms": None if seconds is None else round(1000 * seconds, 1),
            "dropped": dropped,
            "gaps": self._gaps,
            "seconds_left": pace.time_left,
        }


def video_closing(
    console: Console,
    tally: RunStats,
    measures: LatencyStats,
    plan: OutputPlan,
    *,
    before: int,
    dropped: int,
    seconds: float,
) -> None:
    """Say `300 frames, 1 gap, 1,204 boxes, 17 tracks in 21 s (14.3 a second), latency 45 ms -> out.mp4`.

    before  frames of the interrupted run that was gone on with
    """
    parts = [counted(tally.images, "frame")]
    if tally.failed:
        parts.append(counted(tally.failed, "gap or failure", "gaps or failures"))
    if dropped:
        parts.append(f"{number(dropped)} dropped")
    parts.append(counted(tally.boxes, "box", "boxes"))
    if measures.tracks is not None:
        parts.append(counted(measures.tracks, "track"))
    rate = max(0, tally.images - before) / max(seconds, 1e-3)
    sentence = f"{', '.join(parts)} in {duration(seconds)} ({rate:.3g} a second)"
    if measures.mean_s is not None:
        sentence += f", latency {milliseconds(measures.mean_s)} (at most {milliseconds(measures.worst_s)})"
    written = [(path, folder) for path, folder in places_of(plan) if os.path.lexists(path)]  # no film without a frame
    places = [f"{path}/" if folder else path for path, folder in written]
    sentence += f" -> {', '.join(_few(places))}" if places else ""
    if tally.interrupted is not None:
        sentence += f"; interrupted by {tally.interrupted}"
        sentence += ", --resume goes on" if _resumable(plan, tally) else ""
    console.summary(
        sentence,
        frames=tally.images,
        failed=tally.failed,
        dropped=dropped,
        boxes=tally.boxes,
        tracks=measures.tracks,
        seconds=round(seconds, 3),
        per_second=round(rate, 2),
        latency_ms=None if measures.mean_s is None else round(1000 * measures.mean_s, 1),
        outputs=places,
        interrupted=tally.interrupted,
    )


def milliseconds(seconds: float) -> str:
    """A latency as people read it: 7.4 ms, 45 ms, 1.2 s."""
    if seconds >= 1:
        return duration(seconds)
    return f"{1000 * seconds:.1f} ms" if seconds < 0.00995 else f"{1000 * seconds:.0f} ms"


def _resumable(plan: OutputPlan, tally: RunStats) -> bool:
    return plan.journal is not None and tally.images + tally.failed > 0


def _few(places: list[str]) -> list[str]:
    return places if len(places) <= 4 else [*places[:3], f"{len(places) - 3} more"]


def _in_words(detections: Detections, labels: ClassLabels) -> str:
    """The classes of a frame: `2 person, 1 dog`."""
    counts: dict[int, int] = {}
    for class_id in detections.class_ids.tolist():
        counts[class_id] = counts.get(class_id, 0) + 1
    most = sorted(counts.items(), key=lambda item: -item[1])
    words = [f"{count} {labels.names[class_id]}" for class_id, count in most[:_CLASSES_SHOWN]]
    return ", ".join(words) + (", …" if len(most) > _CLASSES_SHOWN else "")
