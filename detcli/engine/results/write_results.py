"""Writes stored results with the sinks of runs: converted, merged, filtered; no network, and no torch."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from detcli.engine.observer import Observer, RunStart
from detcli.engine.outputs.category_ids import renumber
from detcli.engine.outputs.format_losses import losses
from detcli.engine.outputs.output_plan import OutputPlan, check_plan, make_plan
from detcli.engine.outputs.replaced_folders import is_replaceable
from detcli.engine.outputs.standard_output import StandardOutput
from detcli.engine.results.filter_detections import filtered, filtered_info
from detcli.engine.results.open_results import OpenResults, open_results
from detcli.engine.results.results_request import ResultsRequest
from detcli.errors import UsageError
from detcli.io.coco.coco_ids import read_coco_ids
from detcli.io.output_paths import tag_output_folder
from detcli.pipeline.statistics import RunStats
from detcli.sinks.folders.output_folder import OutputFolders
from detcli.sinks.sink import Sink, SinkSettings, remarks, sink_class
from detcli.structures.frame import FailedFrame
from detcli.structures.json_records import Result
from detcli.structures.masks import overlap
from detcli.structures.run_info import run_info_of
from detcli.structures.stop_signal import StopSignal
from detcli.version import __version__

_FLUSHED_EACH = 1000  # images


def write_results(
    request: ResultsRequest,
    *,
    observer: Observer | None = None,
    stop: StopSignal | None = None,
    stdout: StandardOutput | None = None,
) -> RunStats:
    """Read stored results, and write what is kept of them to the outputs of the request.

    The results are read twice: once to check them, then to write them. So nothing is written where something is invalid, and
    an output appears when it is complete.

    observer  gets the events
    stop      ends it between two images; what is written are the first images
    stdout    opens sinks on standard output; None: outputs are files only

    Raises DetcliError for results that cannot be read or do not belong together, and for outputs that cannot be written.
    """
    observer, stop = observer or Observer(), stop or StopSignal()
    output = request.output
    if output.resume:
        raise UsageError("`resume` is for runs with a model: results are written again within seconds")
    if not output.outputs and stdout is None:
        raise UsageError("no output is named: set `outputs`")
    plan = replace(make_plan(output, stdout), journal=None)
    checked = check_plan(plan, (*request.input.reads, *output.reads), output)
    observer.on_plan(checked)
    for path in checked.skipped:
        observer.on_skipped_output(path)
    if checked.is_empty:
        return RunStats(skipped=True)
    started = time.monotonic()
    opened = open_results(request.input, renumber=request.renumber)
    _check_masks(opened, checked)
    stats = _write(request, checked, opened, observer, stop, stdout)
    stats.seconds = time.monotonic() - started
    return stats


def _write(
    request: ResultsRequest,
    plan: OutputPlan,
    opened: OpenResults,
    observer: Observer,
    stop: StopSignal,
    stdout: StandardOutput | None,
) -> RunStats:
    for remark in (*opened.remarks, *losses(plan.targets, request.output, opened.has)):
        observer.on_warning(remark)
    results: Iterator[Result] = iter(opened)
    if request.keep is not None:
        results = filtered(opened, request.keep, opened.labels)
    settings = _settings(request, opened, observer)
    stats, sinks = RunStats(), list[Sink]()
    try:
        for folder in plan.extra_folders:
            tag_output_folder(folder)
        sinks += _open_sinks(plan, settings, stdout)
        observer.on_start(RunStart(plan, opened.labels, stats, 0, lambda: opened.count))
        try:
            write_frames(results, sinks, stats, observer, stop)
        finally:
            observer.on_end()
        for sink in sinks:
            sink.close(complete=opened.complete and stats.interrupted is None)
    except BaseException:
        for sink in sinks:
            sink.abort()
        raise
    finally:
        settings.folders.close()
    for remark in (*settings.folders.remarks, *remarks(sinks)):
        observer.on_warning(remark)
    stats.outputs = tuple(path for path, _ in plan.written(complete=opened.complete and stats.interrupted is None))
    return stats


def write_frames(
    results: Iterable[Result], sinks: Sequence[Sink], stats: RunStats, observer: Observer, stop: StopSignal
) -> None:
    """Write results to sinks one by one and count them, until `stop` is set."""
    for number, (frame, detections) in enumerate(results, 1):
        for sink in sinks:
            sink.write(frame, detections)
        stats.add(frame, detections)
        observer.on_result(frame, detections)
        if number % _FLUSHED_EACH == 0:
            for sink in sinks:
                sink.flush()
        if stop.is_set():
            break
    stats.interrupted = stop.signal


def _open_sinks(plan: OutputPlan, settings: SinkSettings, stdout: StandardOutput | None) -> Iterator[Sink]:
    files_first = sorted(plan.targets, key=lambda target: target.is_folder or target.extra_folder is not None)
    for target in files_first:
        if target.path is not None:
            yield sink_class(target.format)(target.path, settings)
        elif stdout is not None:
            yield stdout.open(target.format, settings)


def _settings(request: ResultsRequest, opened: OpenResults, observer: Observer) -> SinkSettings:
    output, labels, image_ids = request.output, opened.labels, opened.image_ids
    if output.ground_truth is not None:
        ids = read_coco_ids(output.ground_truth)
        image_ids = ids.image_ids
        labels, warning = renumber(labels, ids, output.ground_truth)
        if warning is not None:
            observer.on_warning(warning)
    info = opened.info if request.keep is None else filtered_info(opened.info, request.keep)
    inputs = (*request.input.reads, *output.reads)

    def replaces(folder: Path) -> bool:
        return output.if_exists == "overwrite" and is_replaceable(folder, inputs, observer)

    return SinkSettings(
        run_info_of(info, labels, __version__),
        header=output.header or bool(opened.info),
        csv_safe=output.csv_safe,
        no_scores=output.no_scores,
        rows=output.rows,
        image_ids=image_ids,
        skip_existing=output.if_exists == "skip",
        tracks=opened.tracks,
        uncertainty=opened.uncertainty,
        whole_files=True,
        folders=OutputFolders(replaces),
    )


def _check_masks(opened: OpenResults, plan: OutputPlan) -> None:
    """Raise UsageError for outputs that hold only segments, where detections have no masks or overlap."""
    target = next((target for target in plan.targets if target.record and not target.record.takes_boxes), None)
    if target is None:
        return
    for frame, detections in opened:
        if isinstance(detections, FailedFrame) or not len(detections):
            continue
        if detections.masks is None or overlap(detections.masks):
            what = "no masks" if detections.masks is None else "masks that overlap"
            raise UsageError(
                f"'{frame.origin.file}' has {what}, and the format {target.format} holds panoptic segments: write another format"
            )
