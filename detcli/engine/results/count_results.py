"""Counts in stored results: the tables of a run with counting, from its results; no network, and no torch."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from detcli.counting.count_settings import CountSettings
from detcli.counting.run_counter import RunCounter
from detcli.engine.observer import Observer, RunStart
from detcli.engine.outputs.count_sinks import open_count_table
from detcli.engine.outputs.output_plan import check_plan, make_plan
from detcli.engine.requests.run_request import OutputSettings
from detcli.engine.results.open_results import OpenResults, open_results
from detcli.engine.results.results_request import StoredInput
from detcli.engine.results.write_results import write_frames
from detcli.errors import UsageError
from detcli.pipeline.statistics import RunStats
from detcli.sinks.sink import Sink, remarks
from detcli.structures.frame import Frame
from detcli.structures.json_records import Result
from detcli.structures.stop_signal import StopSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRequest:
    """Stored results in which something is counted.

    output  its tables, and whether they may be replaced
    """

    input: StoredInput
    counting: CountSettings = field(default_factory=CountSettings)
    output: OutputSettings


def count_results(
    request: CountRequest,
    *,
    observer: Observer | None = None,
    stop: StopSignal | None = None,
    stdout: BinaryIO | None = None,
) -> RunStats:
    """Count in stored results, and write the tables of the request.

    The results are read twice: once to check them, then to count. A table appears when it is complete.

    observer  gets the events; `on_counts` the totals of videos
    stop      ends it between two images
    stdout    gets the counts as CSV where the request names no table

    Raises DetcliError for results that cannot be read, or lack what is to be counted.
    """
    observer, stop = observer or Observer(), stop or StopSignal()
    output = request.output
    if output.counts is None and output.events is None and stdout is None:
        raise UsageError("no output is named: set `counts` or `events`")
    plan = check_plan(replace(make_plan(output, None), journal=None), request.input.reads, output)
    observer.on_plan(plan)
    for path in plan.skipped:
        observer.on_skipped_output(path)
    if plan.skipped and plan.is_empty:
        return RunStats(skipped=True)
    started = time.monotonic()
    opened = open_results(request.input)
    video = any(run.contents.video for run in opened.runs)
    _check(request, opened, video=video)
    for remark in _remarks(opened, video=video):
        observer.on_warning(remark)
    counter = RunCounter(request.counting, tracks=video and opened.tracks)
    targets = plan.tables or (() if stdout is None else (stdout,))
    stats, sinks = RunStats(), list[Sink]()
    try:
        for target in targets:
            sink = open_count_table(
                target, counter, opened.labels, video=video, csv_safe=output.csv_safe, whole_file=True
            )
            sinks.append(sink)
        observer.on_start(RunStart(plan, opened.labels, stats, 0, lambda: opened.count))
        try:
            write_frames(_counted(request, opened, counter), sinks, stats, observer, stop)
        finally:
            observer.on_end()
        for sink in sinks:
            sink.close(complete=stats.interrupted is None)
    except BaseException:
        for sink in sinks:
            sink.abort()
        raise
    for remark in (*counter.take_warnings(), *remarks(sinks)):
        observer.on_warning(remark)
    if totals := counter.totals():
        observer.on_counts(totals)
    stats.seconds = time.monotonic() - started
    stats.outputs = tuple(path for path, _ in plan.results)
    return stats


def _counted(request: CountRequest, opened: OpenResults, counter: RunCounter) -> Iterator[Result]:
    """The results, counted one by one; images have their counts."""
    for given, detections in _with_sources(opened):
        if isinstance(given, Frame):
            _check_frame(given, request.counting)
        yield counter(given, detections), detections  # type: ignore[misc]  # both are the same failure, or none


def _with_sources(opened: OpenResults) -> Iterator[Result]:
    """The results; a frame whose format has only its own name belongs to the video of its folder."""
    for frame, detections in opened:
        origin = frame.origin
        if origin.frame is not None and not origin.source and "/" in origin.relative:
            video = origin.relative.rpartition("/")[0]
            frame = replace(frame, origin=replace(origin, source=video, file=video))
        yield frame, detections  # type: ignore[misc]  # both are the same failure, or none


def _check_frame(frame: Frame, counting: CountSettings) -> None:
    """Raise UsageError where a frame lacks its time or its size."""
    origin = frame.origin
    if origin.frame is not None and origin.time_s is None:
        raise UsageError(
            f"'{origin.file}', frame {origin.frame}: it has no time, which counts of videos need: use results with times, such as "
            "JSON Lines"
        )
    if counting.regions and not all(frame.size_hw):
        raise UsageError(
            f"'{origin.file}' has no size, which zones and lines need: set `images`, the folder of the images"
        )


def _check(request: CountRequest, opened: OpenResults, *, video: bool) -> None:
    """Raise UsageError where the results lack what is to be counted."""
    counting = request.counting
    what = "lines" if counting.lines else "events" if request.output.events is not None else None
    if what is not None and not video:
        raise UsageError(f"these are results of images, and {what} are for videos with tracks")
    if what is not None and not opened.tracks:
        raise UsageError(f"{what} need track ids, and these results have none: they are of a run without tracks")
    if request.output.events is not None and not counting.regions:
        raise UsageError("`events` needs `lines` or `zones`: without them there are no events")


def _remarks(opened: OpenResults, *, video: bool) -> Iterator[str]:
    yield from opened.remarks
    for run in opened.runs:
        if "empty" in run.record.loses and video:
            yield (
                f"{run.record.title} has no frames without detections: `mean` and `frames` of '{run.path.name}' are of frames "
                "with detections"
            )
