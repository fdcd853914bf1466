"""Progress and summary of a run over videos: frames per second, latency, dropped frames, time left."""

import os
from types import TracebackType
from typing import Self

from detcli.cli.detect.summary import is_resumable, speed_of
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import ProgressLine, ProgressText, RateEstimator
from detcli.cli.framework.text import counted, duration, number, rate
from detcli.engine.observer import RunStart
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.run import RunStats
from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame

_CLASSES_SHOWN = 3


class VideoProgress:
    """The progress line of a run; use as a context manager around it."""

    def __init__(self, console: Console, start: RunStart) -> None:
        self._estimator = RateEstimator(start.done)
        self._start, self._stats = start, start.stats
        self._gaps = 0
        self._classes = ""
        self._line = ProgressLine(console, self.text, self.plain)

    def __enter__(self) -> Self:
        if self._line.is_enabled:
            self._estimator.total = self._start.count()
        self._line.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._line.__exit__(kind, error, at)

    def advance(self, detections: Detections | FailedFrame) -> None:
        """One more frame is done."""
        self._estimator.advance(1)
        if isinstance(detections, FailedFrame):
            self._gaps += 1
        else:
            self._classes = _in_words(detections, self._start.labels)

    def advance_by(self, done: int, failed: int) -> None:
        """Several more frames are done, of which some are gaps."""
        self._estimator.advance(done)
        self._gaps += failed

    def text(self) -> ProgressText:
        """The progress line of now."""
        pace = self._estimator
        total = f"/{number(pace.total)}" if pace.total is not None else ""
        remarks = [f"{number(self._stats.dropped)} dropped"] if self._stats.dropped else []
        remarks += [counted(self._gaps, "gap")] if self._gaps else []
        latency = self._latency()
        return ProgressText(
            f"{number(pace.done)}{total} frames",
            pace.fraction,
            rate(pace.rate, "frames"),
            pace.time_left,
            ", ".join(remarks),
            f"latency {latency}" if latency else "",
            self._classes,
        )

    def _latency_s(self) -> float | None:
        """From frame to result, of live sources; None for files, whose frames do not wait."""
        return self._stats.latency.recent_s

    def _latency(self) -> str:
        seconds = self._latency_s()
        return "" if seconds is None else milliseconds(seconds)

    def plain(self) -> tuple[str, dict[str, object]]:
        """The same as a sentence and its numbers."""
        pace, dropped, seconds = self._estimator, self._stats.dropped, self._latency_s()
        total = f" of {number(pace.total)}" if pace.total is not None else ""
        sentence = f"{number(pace.done)}{total} frames, {rate(pace.rate, 'frames')}"
        sentence += f", latency {milliseconds(seconds)}" if seconds is not None else ""
        sentence += f", {number(dropped)} dropped" if dropped else ""
        sentence += f", {counted(self._gaps, 'gap')}" if self._gaps else ""
        if pace.time_left is not None:
            sentence += f", {duration(pace.time_left)} left"
        return sentence, {
            "done": pace.done,
            "total": pace.total,
            "per_second": round(pace.rate, 2),
            "latency_ms": None if seconds is None else round(1000 * seconds, 1),
            "dropped": dropped,
            "gaps": self._gaps,
            "seconds_left": pace.time_left,
        }


def show_video_summary(console: Console, stats: RunStats, plan: OutputPlan, *, runtime: str | None = None) -> None:
    """Show `300 frames, 1 gap, 1,204 boxes, 17 tracks in 21 s (14.3 frames/s with torch), latency 45 ms -> out.mp4`.

    runtime  that ran the network; None: unknown
    """
    parts = [counted(stats.images, "frame")]
    if stats.failed:
        parts.append(counted(stats.failed, "gap or failure", "gaps or failures"))
    if stats.dropped:
        parts.append(f"{number(stats.dropped)} dropped")
    parts.append(counted(stats.boxes, "box", "boxes"))
    if stats.tracks is not None:
        parts.append(counted(stats.tracks, "track"))
    done = max(0, stats.images - stats.resumed)
    per_second = done / max(stats.seconds, 1e-3)
    sentence = f"{', '.join(parts)} in {duration(stats.seconds)}{speed_of(done, stats.seconds, 'frames', runtime)}"
    mean_s = stats.latency.mean_s
    if mean_s is not None:
        sentence += f", latency {milliseconds(mean_s)} (at most {milliseconds(stats.latency.worst_s)})"
    written = [result for result in plan.results if os.path.lexists(result[0])]  # no video without a frame
    paths = [f"{path}/" if is_folder else str(path) for path, is_folder in written]
    sentence += f" -> {', '.join(_few(paths))}" if paths else ""
    if stats.empty_shard:
        sentence += "; there is no frame for this shard"
    if stats.interrupted is not None:
        sentence += f"; interrupted by {stats.interrupted}"
        sentence += ", --resume continues" if is_resumable(plan, stats) else ""
    console.summary(
        sentence,
        frames=stats.images,
        failed=stats.failed,
        dropped=stats.dropped,
        boxes=stats.boxes,
        tracks=stats.tracks,
        seconds=round(stats.seconds, 3),
        per_second=round(per_second, 2),
        runtime=runtime,
        latency_ms=None if mean_s is None else round(1000 * mean_s, 1),
        outputs=paths,
        interrupted=stats.interrupted,
    )


def milliseconds(seconds: float) -> str:
    """A latency with few digits: 7.4 ms, 45 ms, 1.2 s."""
    if seconds >= 1:
        return duration(seconds)
    return f"{1000 * seconds:.1f} ms" if seconds < 0.00995 else f"{1000 * seconds:.0f} ms"


def _few(paths: list[str]) -> list[str]:
    return paths if len(paths) <= 4 else [*paths[:3], f"{len(paths) - 3} more"]


def _in_words(detections: Detections, labels: ClassLabels) -> str:
    """The classes of a frame: `2 person, 1 dog`."""
    counts: dict[int, int] = {}
    for class_id in detections.class_ids.tolist():
        counts[class_id] = counts.get(class_id, 0) + 1
    most = sorted(counts.items(), key=lambda item: -item[1])
    words = [f"{count} {labels.names[class_id]}" for class_id, count in most[:_CLASSES_SHOWN]]
    return ", ".join(words) + (", …" if len(most) > _CLASSES_SHOWN else "")
